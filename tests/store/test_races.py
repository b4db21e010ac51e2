"""Cancel against finish, in two threads on both databases: one end each, and no row after it."""

import hashlib
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select

from service.errors import JobEnded
from service.store import jobs
from service.store.database import Database
from service.store.invariants import check_invariants
from service.store.jobs import ClaimedJob
from service.store.spans import record_spans
from service.store.tables import Job, Metric
from tests.fixtures import Figure
from tests.store.rows import SPEC, at, claimed_job, history, reread, span


def train(database: Database, claimed: ClaimedJob, start: Barrier) -> float:
    """Store spans as a task does until the job is lost or has ended; answer the seconds that it took."""
    start.wait()
    began = time.perf_counter()
    for first in range(1, SPEC.steps, 2):
        time.sleep(random.uniform(0, 0.004))  # the steps themselves
        last = first + 1
        stored = span(claimed, first, last, {last: 0.9} if last == SPEC.steps else None)
        with database.writing() as session:
            lost = record_spans(session, [stored], at(first)).lost
            if stored.checkpoints and not lost:
                digest = hashlib.sha256(stored.checkpoints[-1][1]).hexdigest()
                jobs.finish_if_running(session, claimed.key, claimed.attempt, at(last), weights_sha256=digest)
        if lost:
            break
    return time.perf_counter() - began


def cancel(database: Database, job: Job, start: Barrier, after_seconds: float) -> int | None:
    """Cancel a job in training; answer how many rows it has then, or None where it had ended before."""
    start.wait()
    time.sleep(after_seconds)  # somewhere in the other's way, which is what a race is
    try:
        with database.writing() as session:
            jobs.cancel_if_not_ended(session, job.id, at(20))
    except JobEnded:
        return None
    return count_rows(database, job)


def count_rows(database: Database, job: Job) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).where(Metric.job_key == job.key)) or 0


def race(database: Database, races: int) -> Counter[str]:
    """Let both at a job at once, many times; answer how often each end came."""
    ends: Counter[str] = Counter()
    seconds = 0.01
    with ThreadPoolExecutor(2) as threads:
        for _ in range(races):
            job, claimed = claimed_job(database)
            start = Barrier(2)
            training = threads.submit(train, database, claimed, start)
            cancelling = threads.submit(cancel, database, job, start, random.uniform(0, 1.5 * seconds))
            seconds, rows_then = training.result(), cancelling.result()

            found = reread(database, job)
            expected = ("succeeded", SPEC.steps) if rows_then is None else ("cancelled", rows_then)
            assert (found.status, found.step, count_rows(database, job)) == (*expected, found.step)
            with database.reading() as session:
                assert [status for status, _ in history(session, job)] == ["queued", "running", expected[0]]
            ends[found.status] += 1
    return ends


@pytest.mark.slow
def test_a_job_cancelled_while_it_ends_has_one_end(database: Database) -> None:
    ends = race(database, 60)

    assert ends.keys() == {"succeeded", "cancelled"}
    assert check_invariants(database) == []


@pytest.mark.long
def test_five_hundred_jobs_cancelled_while_they_end_have_one_end_each(
    database: Database, figure: Figure
) -> None:
    ends = race(database, 500)

    kind = "SQLite" if database.is_sqlite else "PostgreSQL"
    figure(f"races of cancel and finish on {kind}", dict(ends), "500, none without an end or with two")
    assert ends.keys() == {"succeeded", "cancelled"}
    assert check_invariants(database) == []
