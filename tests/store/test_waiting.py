"""The queue has a most that it may hold: what does not fit is refused whole, with both figures."""

import threading
from collections.abc import Callable

import pytest

from models.specs.comparison import ComparisonSpec
from service.errors import LargerThanQueue, QueueFull
from service.store import comparisons, jobs
from service.store.database import Database
from service.store.waiting import Submitter, refuse_if_full
from tests.process import until
from tests.store.rows import SPEC, at, claimed_job, ids_of, reread, submit


def submit_if_room(database: Database, most: int, before_commit: Callable[[], object] = lambda: None) -> bool:
    try:
        with database.writing() as session:
            refuse_if_full(session, 1, Submitter(most_queued=most))
            jobs.submit(session, SPEC, None, {}, at(0))
            before_commit()
    except QueueFull:
        return False
    return True


def compare(database: Database, seeds: int, most: int) -> None:
    spec = ComparisonSpec.model_validate({"arms": [{"name": "a"}], "seeds": seeds})
    with database.writing() as session:
        comparisons.create(session, spec, None, at(0), submitter=Submitter(most_queued=most))


def test_the_queue_is_filled_to_the_last_place(database: Database) -> None:
    assert [submit_if_room(database, 3) for _ in range(5)] == [True, True, True, False, False]


def test_a_job_that_has_started_or_ended_makes_room(database: Database) -> None:
    claimed_job(database)
    ended, _ = submit(database), submit(database)
    with database.writing() as session:
        jobs.cancel_if_not_ended(session, ended.id, at(1))

    assert [submit_if_room(database, 2) for _ in range(2)] == [True, False]


def test_a_comparison_that_does_not_fit_is_refused_whole_with_both_figures(database: Database) -> None:
    kept = submit(database)

    with pytest.raises(QueueFull, match="the queue has 1 jobs and may have at most 4; 4 more do not fit"):
        compare(database, seeds=4, most=4)

    compare(database, seeds=3, most=4)
    assert len(ids_of(database)) == 4
    assert kept.id in ids_of(database)


def test_a_comparison_larger_than_the_queue_says_so(database: Database) -> None:
    with pytest.raises(LargerThanQueue, match="5 jobs, and at most 4 may be queued") as raised:
        compare(database, seeds=5, most=4)

    assert raised.value.retry_after_seconds is None
    assert ids_of(database) == set()


def test_a_requeued_job_is_never_refused(database: Database) -> None:
    job, claimed = claimed_job(database)
    assert submit_if_room(database, 1)

    with database.writing() as session:
        jobs.requeue_if_running(session, job.key, claimed.attempt, "handed back", at(2))

    assert reread(database, job).status == "queued"
    assert not submit_if_room(database, 2)


def test_two_that_submit_at_once_do_not_share_the_last_place(database: Database) -> None:
    """The second looks while the first has not committed."""
    submit(database)
    second = threading.Thread(target=lambda: found.append(submit_if_room(database, 2)))
    found: list[bool] = []

    def let_the_second_look() -> None:
        second.start()
        second.join(0.3)

    first = submit_if_room(database, 2, let_the_second_look)
    until(lambda: not second.is_alive(), "the second to be refused")

    assert (first, found) == (True, [False])


def submit_with_key(database: Database, number: int, most: int) -> None:
    spec = ComparisonSpec.model_validate({"arms": [{"name": "a"}], "seeds": 2})
    with database.writing() as session:
        comparisons.create(session, spec, None, at(0), submitter=Submitter(number, most_of_key=most))


def test_a_key_has_its_own_room_in_the_queue(database: Database) -> None:
    """Jobs of other keys, of no key, and those that are queued no more take none of it."""
    submit(database)
    submit_with_key(database, 7, most=2)
    submit_with_key(database, 8, most=2)

    with pytest.raises(QueueFull, match="this key has 2 queued jobs and may have at most 3; 2 more do not"):
        submit_with_key(database, 7, most=3)
    with pytest.raises(LargerThanQueue, match="at most 1 of a key") as raised:
        submit_with_key(database, 9, most=1)

    with database.writing() as session:
        for public_id in sorted(ids_of(database)):
            jobs.cancel_if_not_ended(session, public_id, at(1))
    submit_with_key(database, 7, most=2)
    assert raised.value.retry_after_seconds is None
