"""Transactions that change several jobs lock them in one order, so that none waits in a circle."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event, select, text

from models.specs.comparison import Arm, ComparisonSpec
from models.specs.spec import TrainSpec
from service.store import comparisons, counters, jobs
from service.store.database import Database
from service.store.failures import WORKER_LOST
from service.store.jobs import ClaimedJob
from service.store.locks import lock_jobs
from service.store.spans import record_heartbeat, record_spans
from service.store.tables import Job
from service.work import task
from service.work.dispatcher import Dispatcher
from tests.process import until
from tests.store.rows import at, claim_with, reread, span
from tests.work.test_dispatcher import FakeEngine

WAITERS = text(
    "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)
ARMS = [Arm(name="none"), Arm(name="batch")]

Pair = tuple[str, list[Job]]
Change = Callable[[Database, Pair], object]


def wait_for_waiter(database: Database) -> None:
    """Return once a transaction waits for a lock."""

    def waits() -> bool:
        with database.reading() as session:
            return bool(session.scalar(WAITERS))

    until(waits, "a transaction that waits for a lock")


def pair(database: Database, statuses: str) -> Pair:
    """A comparison of two jobs in these states, whose rows lie in the order of the keys turned round."""
    with database.writing() as session:
        comparison = comparisons.create(session, ComparisonSpec(arms=ARMS, seeds=[0]), None, at(0))
        found = list(session.scalars(select(Job).order_by(Job.key)))
        jobs.set_submission(session, [job.key for job in found], "token")
    for job, status in reversed(list(zip(found, statuses.split(), strict=True))):
        if status == "running":
            assert claim_with(database, job, "token")
    with database.writing() as session:
        jobs.relabel(session, found[0].id, {"label": "its row is the last now"})
    return comparison.id, found


def cancel(database: Database, of: Pair) -> None:
    with database.writing() as session:
        comparisons.cancel(session, comparisons.get(session, of[0], to_change=True), at(9))


def set_submission(database: Database, of: Pair) -> None:
    with database.writing() as session:
        jobs.set_submission(session, [job.key for job in reversed(of[1])], "another")


def request_stop(database: Database, _: Pair) -> None:
    with database.writing() as session:
        jobs.request_stop(session)


def send_heartbeat(database: Database, of: Pair) -> None:
    with database.writing() as session:
        record_heartbeat(session, {job.key: 1 for job in of[1]}, at(9))


def recover(database: Database, _: Pair) -> None:
    Dispatcher(database, FakeEngine(), stall_seconds=60).recover()


def requeue(database: Database, of: Pair) -> None:
    """What the dispatcher does when a task has ended: one job was claimed, the other was not."""
    with database.writing() as session:
        jobs.revoke_submission(session, [job.key for job in of[1]], "token")
        jobs.requeue_lost(session, of[1][0].key, 1, 0, WORKER_LOST, at(9))


@pytest.mark.parametrize(
    ("change", "statuses"),
    [
        (cancel, "running running"),
        (cancel, "queued running"),
        (set_submission, "queued queued"),
        (request_stop, "running running"),
        (request_stop, "running queued"),
        (send_heartbeat, "running running"),
        (recover, "running queued"),
        (requeue, "running queued"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_change_of_several_jobs_waits_for_the_first_before_it_locks_the_second(
    postgresql_database: Database, change: Change, statuses: str
) -> None:
    of = pair(postgresql_database, statuses)
    in_order = [select(Job.key).where(Job.key == job.key).with_for_update() for job in of[1]]

    with ThreadPoolExecutor(1) as threads:
        with postgresql_database.writing() as session:
            session.execute(in_order[0])
            changing = threads.submit(change, postgresql_database, of)
            wait_for_waiter(postgresql_database)
            session.execute(in_order[1])
        changing.result()


def test_a_cancel_meets_the_spans_of_its_jobs(postgresql_database: Database) -> None:
    of = pair(postgresql_database, "running running")
    spans = [span(held(job), 1, 2) for job in of[1]]

    with ThreadPoolExecutor(1) as threads:
        with postgresql_database.writing() as session:
            record_spans(session, spans[:1], at(5))
            cancelling = threads.submit(cancel, postgresql_database, of)
            wait_for_waiter(postgresql_database)
            record_spans(session, spans[1:], at(5))
        cancelling.result()

    found = [reread(postgresql_database, job) for job in of[1]]
    assert [(job.status, job.step) for job in found] == [("cancelled", 2)] * 2


def held(job: Job) -> ClaimedJob:
    """A job as the attempt has it that runs."""
    return ClaimedJob(job.key, job.id, 1, TrainSpec.model_validate(job.spec), 0, None)


def statements(database: Database, change: Callable[[], object]) -> list[str]:
    """The tables that a change locks or writes, in its order."""
    found: list[str] = []

    def note(*call: Any) -> None:
        words = call[2].split()
        if words[0] in {"UPDATE", "INSERT"}:
            found.append(words[1 if words[0] == "UPDATE" else 2])

    event.listen(database.engine, "before_cursor_execute", note)
    change()
    event.remove(database.engine, "before_cursor_execute", note)
    return found


def test_the_counter_of_lost_spans_comes_after_all_jobs(database: Database) -> None:
    """Two cohorts that both lose a job would wait for each other, one with the counter, one with a job."""
    _, (lost, kept) = pair(database, "queued running")
    spans = [span(held(lost), 1, 2), span(held(kept), 1, 2)]

    def store() -> None:
        with database.writing() as session:
            record_spans(session, spans, at(5))

    order = statements(database, store)

    with database.reading() as session:
        assert counters.read(session) == {"fenced_writes": 1}
    assert order.index("counters") > max(place for place, table in enumerate(order) if table == "jobs")


def test_a_task_locks_all_its_jobs_before_it_claims_any(postgresql_database: Database) -> None:
    of = pair(postgresql_database, "queued queued")
    keys = [job.key for job in of[1]]

    with ThreadPoolExecutor(1) as threads:
        with postgresql_database.writing() as session:
            lock_jobs(session, Job.key == keys[1])
            claiming = threads.submit(task.claim, postgresql_database, keys[::-1], "token")
            wait_for_waiter(postgresql_database)
            jobs.revoke_submission(session, keys[1:], "token")
        claimed = claiming.result()

    assert [job.key for job in claimed] == keys[:1]
