"""Lists on both databases: filtered, sorted, stable while jobs arrive."""

from typing import Any

import pytest

from models.specs.spec import TrainSpec
from service.errors import InvalidCursor
from service.store import cursors, jobs, queries
from service.store.database import Database
from service.store.failures import HANDED_BACK
from service.store.queries import JobFilter, JobSort
from service.store.tables import Job
from tests.store.rows import at, claim, claimed_job, submit


def walk(database: Database, sort: JobSort, limit: int) -> list[str]:
    found, cursor = [], None
    while True:
        with database.reading() as session:
            page = queries.list_jobs(session, JobFilter(), sort, limit, cursor)
        found += [job.id for job in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


def with_accuracy(database: Database, accuracy: float | None) -> str:
    job = submit(database)
    if accuracy is not None:
        with database.writing() as session:
            session.get_one(Job, job.key).test_accuracy = accuracy
    return job.id


def test_pages_hold_every_job_once_the_newest_first(database: Database) -> None:
    ids = [submit(database).id for _ in range(5)]

    assert walk(database, "-created_at", 2) == ids[::-1]
    assert walk(database, "created_at", 2) == ids


def test_a_list_does_not_shift_while_jobs_arrive(database: Database) -> None:
    ids = [submit(database).id for _ in range(4)]
    with database.reading() as session:
        first = queries.list_jobs(session, JobFilter(), "-created_at", 2, None)
    submit(database)

    with database.reading() as session:
        second = queries.list_jobs(session, JobFilter(), "-created_at", 2, first.next_cursor)

    assert [job.id for job in (*first.items, *second.items)] == ids[::-1]


def test_jobs_sort_by_accuracy_with_those_not_evaluated_last(database: Database) -> None:
    low, none, high, tie = (with_accuracy(database, accuracy) for accuracy in (0.1, None, 0.9, 0.9))

    assert walk(database, "-test_accuracy", 1) == [tie, high, low, none]
    assert walk(database, "test_accuracy", 3) == [none, low, high, tie]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (JobFilter(), [0, 1, 2]),
        (JobFilter(norm="batch"), [1]),
        (JobFilter(init=True), [2]),
        (JobFilter(seed=2**53 - 1), [2]),
        (JobFilter(label="it's"), [0]),
        (JobFilter(tags=[("a", "1")]), [0, 1]),
        (JobFilter(tags=[("a", "1"), ("b", "2")]), [1]),
        (JobFilter(tags=[("a", "2")]), []),
        (JobFilter(tags=[("a", "1"), ("a", "2")]), []),
        (JobFilter(status=["queued", "failed"]), [1, 2]),
        (JobFilter(status=["queued", "cancelled", "queued"]), [0, 1, 2]),
        (JobFilter(status=["queued"], norm="none", init=True, seed=2**53 - 1), [2]),
        (JobFilter(status=["queued"], init=False, tags=[("a", "1")]), [1]),
        (JobFilter(status=["cancelled"], norm="none"), [0]),
    ],
    ids=str,
)
def test_filters_choose_jobs(database: Database, wanted: JobFilter, expected: list[int]) -> None:
    three = [
        submit(database, TrainSpec(), "it's", a="1"),
        submit(database, TrainSpec(norm="batch"), None, a="1", b="2"),
        submit(database, TrainSpec(init=True, seed=2**53 - 1)),
    ]
    with database.writing() as session:
        jobs.cancel_if_not_ended(session, three[0].id, at(1))

    with database.reading() as session:
        page = queries.list_jobs(session, wanted, "created_at", 10, None)

    assert [job.id for job in page.items] == [three[place].id for place in expected]


FORGED: list[Any] = [
    "",
    "%%%",
    "bm9wZQ",
    cursors.encode("jobs created_at", [1]),
    cursors.encode("metrics job_1", [1]),
    cursors.encode("jobs -created_at", [1, 2]),
    cursors.encode("jobs -created_at", ["1"]),  # type: ignore[list-item] # a forged one
    cursors.encode("jobs -created_at", [10**20]),
    cursors.encode("jobs -created_at", [True]),
]


@pytest.mark.parametrize("cursor", FORGED, ids=range(len(FORGED)))
def test_a_cursor_of_another_list_is_refused(database: Database, cursor: str) -> None:
    with database.reading() as session, pytest.raises(InvalidCursor):
        queries.list_jobs(session, JobFilter(), "-created_at", 2, cursor)


def test_a_stopped_service_has_left_jobs_handed_back_cut_off_and_waiting(database: Database) -> None:
    (first, first_claimed), (again, again_claimed), _ = (claimed_job(database) for _ in range(3))
    waiting = submit(database)
    with database.writing() as session:
        for claimed in (first_claimed, again_claimed):
            jobs.requeue_if_running(session, claimed.key, claimed.attempt, HANDED_BACK, at(2))
    with database.reading() as session:
        before = queries.stopped(session)
    claim(database, again, "later", 3)

    with database.reading() as session:
        after = queries.stopped(session)

    assert before == queries.JobsLeft(handed_back=2, cut_off=1, waiting=1)
    assert after == queries.JobsLeft(handed_back=1, cut_off=2, waiting=1)
    assert {first.id, waiting.id} <= {job.id for job in _queued(database)}


def _queued(database: Database) -> list[Job]:
    with database.reading() as session:
        return list(queries.list_jobs(session, JobFilter(status=["queued"]), "created_at", 9, None).items)
