"""A place in the queue is exact: with cohorts of one job and no arrivals, the jobs start in this order."""

import random

import pytest
from sqlalchemy import select

from service.store import jobs
from service.store.database import Database
from service.store.places import queue_places
from service.store.tables import Job, Turn
from service.work.plan import plan
from tests.store.rows import SPEC, at, claim, submit


def places(database: Database, *wanted: Job) -> dict[int, int]:
    with database.reading() as session:
        return queue_places(session, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_place_is_that_of_the_simulated_order(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    owners = chance.choice((2, 5, 40))
    with database.writing() as session:
        for _ in range(60):
            job = jobs.new(SPEC, None, {}, at(0), priority=chance.choice((-10, 0, 0, 0, 10)))
            job.owner = chance.randrange(owners)
            session.add(job)
        session.add_all(Turn(owner=owner, turn=chance.randrange(1, 9)) for owner in range(1, owners, 2))
        session.flush()
        every = session.scalars(select(Job)).all()
        turns = dict(session.execute(select(Turn.owner, Turn.turn)).all())

    order = [job.key for [job] in plan(every, slots=60, room=60, turns=turns)]

    assert places(database, *every) == {key: place for place, key in enumerate(order, 1)}
    some = chance.sample(every, 7)
    assert places(database, *some) == {job.key: order.index(job.key) + 1 for job in some}


def test_a_job_that_was_handed_over_starts_before_all_that_wait(database: Database) -> None:
    first, second, third = (submit(database) for _ in range(3))
    with database.writing() as session:
        jobs.set_submission(session, [third.key], "token")

    assert places(database, first, second, third) == {third.key: 1, first.key: 2, second.key: 3}


def test_a_job_that_does_not_wait_has_no_place(database: Database) -> None:
    running, cancelled, queued = (submit(database) for _ in range(3))
    claim(database, running)
    with database.writing() as session:
        jobs.cancel_if_not_ended(session, cancelled.id, at(1))
        every = session.scalars(select(Job)).all()

    assert places(database, *every) == {queued.key: 1}
