"""Owners of jobs take turns with the real dispatcher: comparisons, and all single jobs together."""

import random
from collections.abc import Callable

import pytest
from sqlalchemy import select

from models.specs.comparison import MOST_RUNS, ComparisonSpec
from service.store import comparisons, jobs, waiting
from service.store.database import Database
from service.store.tables import Job, Turn
from service.store.turns import forget_ended_owners
from service.work.dispatcher import Dispatcher
from service.work.plan import plan
from tests.store.rows import BUILD, SPEC, at, submit
from tests.work.test_dispatcher import STALL_SECONDS, FakeEngine

Compare = Callable[..., list[int]]
ALONE = SPEC.model_copy(update={"n_units": 1})


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(n_slots=1)


@pytest.fixture
def dispatcher(database: Database, engine: FakeEngine) -> Dispatcher:
    return Dispatcher(database, engine, STALL_SECONDS)


@pytest.fixture
def compare(database: Database) -> Compare:
    """Makes a comparison of one arm, by default of jobs that are trained alone; returns their keys."""

    def of(n_runs: int, priority: int = 0, n_units: int = 1) -> list[int]:
        arms = [{"name": "a", "n_units": n_units}]
        spec = ComparisonSpec.model_validate({"arms": arms, "seeds": n_runs})
        with database.writing() as session:
            comparison = comparisons.create(session, spec, None, at(0), priority)
            return list(session.scalars(select(Job.key).where(Job.comparison_key == comparison.key)))

    return of


def end_oldest(database: Database, engine: FakeEngine) -> None:
    """Let the oldest task that runs train all its jobs."""
    task = next(task for task in engine.tasks if not task.done())
    with database.writing() as session:
        for key in task.keys:
            claimed = jobs.claim_if_queued(session, key, task.submission, BUILD, at(1))
            assert claimed is not None
            jobs.finish_if_running(session, key, claimed.attempt, at(2), weights_sha256="w")
    task.status = "finished"


def served(database: Database, engine: FakeEngine, dispatcher: Dispatcher, n: int) -> list[int]:
    """Let tasks follow each other until so many were handed over; return the first key of each."""
    dispatcher.step()
    while len(engine.tasks) < n:
        end_oldest(database, engine)
        dispatcher.step()
    return [task.keys[0] for task in engine.tasks]


@pytest.mark.slow
def test_a_single_job_behind_a_large_comparison_starts_when_the_first_cohort_ends(
    database: Database, engine: FakeEngine, dispatcher: Dispatcher, compare: Compare
) -> None:
    engine.n_slots = 2
    runs = compare(MOST_RUNS, n_units=128)
    dispatcher.step()
    single = submit(database)

    end_oldest(database, engine)
    dispatcher.step()

    assert [task.keys for task in engine.tasks] == [runs[:8], runs[8:16], [single.key]]


def test_owners_take_turns_and_the_jobs_of_each_go_in_their_order(
    database: Database, engine: FakeEngine, dispatcher: Dispatcher, compare: Compare
) -> None:
    a, b = compare(4), compare(2)
    c, d = (submit(database, ALONE).key for _ in range(2))

    found = served(database, engine, dispatcher, 8)

    assert found == [a[0], b[0], c, a[1], b[1], d, a[2], a[3]]


def test_a_priority_decides_before_any_turn(
    database: Database, engine: FakeEngine, dispatcher: Dispatcher, compare: Compare
) -> None:
    low, normal, high = compare(1, priority=-10), compare(2), compare(2, priority=10)
    with database.writing() as session:
        urgent = jobs.submit(session, ALONE, None, {}, at(0), priority=10).key

    found = served(database, engine, dispatcher, 6)

    assert found == [high[0], urgent, high[1], *normal, *low]


def test_a_job_whose_priority_is_raised_goes_first(
    database: Database, engine: FakeEngine, dispatcher: Dispatcher
) -> None:
    first, second = (submit(database, ALONE) for _ in range(2))
    with database.writing() as session:
        jobs.relabel(session, second.id, {"priority": 1})

    assert served(database, engine, dispatcher, 2) == [second.key, first.key]


def test_turns_survive_a_restart(
    database: Database, engine: FakeEngine, dispatcher: Dispatcher, compare: Compare
) -> None:
    a, b, c = compare(3), compare(3), compare(3)
    served(database, engine, dispatcher, 2)
    end_oldest(database, engine)

    restarted = Dispatcher(database, engine, STALL_SECONDS)
    restarted.recover()

    assert served(database, engine, restarted, 7) == [a[0], b[0], c[0], a[1], b[1], c[1], a[2]]


def test_a_stream_of_new_owners_keeps_no_old_one_waiting(
    database: Database, engine: FakeEngine, dispatcher: Dispatcher, compare: Compare
) -> None:
    old = compare(3)
    found = served(database, engine, dispatcher, 1)
    for n_served in range(2, 8):
        compare(1)
        found = served(database, engine, dispatcher, n_served)

    assert [key for key in found if key in old] == old


def test_turns_of_comparisons_that_have_ended_are_forgotten(
    database: Database, engine: FakeEngine, dispatcher: Dispatcher, compare: Compare
) -> None:
    ended, waits = compare(1), compare(1)
    submit(database, ALONE)
    served(database, engine, dispatcher, 2)

    with database.writing() as session:
        forget_ended_owners(session)
        owners = set(session.scalars(select(Turn.owner)))

    assert ended != waits
    assert owners == {0, reread_owner(database, waits[0])}


@pytest.mark.parametrize("seed", range(10))
def test_the_jobs_that_are_read_suffice_for_the_plan_of_all_that_wait(
    database: Database, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(waiting, "MOST_SEARCHED", chance.choice((2, 500)))
    with database.writing() as session:
        for _ in range(40):
            spec = SPEC.model_copy(update={"steps": chance.choice((10, 20))})
            job = jobs.new(spec, None, {}, at(0), priority=chance.choice((-1, 0, 0, 3)))
            job.owner = chance.randrange(12)
            session.add(job)
        session.add_all(Turn(owner=owner, turn=chance.randrange(1, 9)) for owner in range(1, 9))
        session.flush()
        every = session.scalars(select(Job)).all()
        turns = dict(session.execute(select(Turn.owner, Turn.turn)).all())
    in_flight = {job.key for job in chance.sample(every, 5)}
    slots, room = chance.choice(((2, 1), (4, 3), (8, 8)))

    with database.reading() as session:
        found = waiting.candidates(session, in_flight, room, 1000)

    left = [job for job in every if job.key not in in_flight]
    assert keys(plan(found.jobs, slots, room, found.turns, found.n_waiting)) == keys(
        plan(left, slots, room, turns)
    )


def keys(cohorts: list[list[Job]]) -> list[list[int]]:
    return [[job.key for job in cohort] for cohort in cohorts]


def reread_owner(database: Database, key: int) -> int:
    with database.reading() as session:
        return session.get_one(Job, key).owner
