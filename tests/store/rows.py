"""Small rows for the tests of the store."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.specs.metrics import MetricRow
from models.specs.spec import TrainSpec
from service.store import jobs, queries
from service.store.builds import Build
from service.store.database import Database
from service.store.jobs import ClaimedJob
from service.store.spans import SpanRecord, record_spans
from service.store.tables import Job

T0 = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SPEC = TrainSpec(norm="weight", init=True, steps=10, checkpoint_every=5, eval_every=5)
BUILD = Build("2.13.0", "AVX2", "k" * 64)
IDENTITY = {"init_digest": "i" * 64, "data_digest": "d" * 64, "data_sha256": "s" * 64}


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def metric(step: int, accuracy: float | None = None, loss: float = 0.5) -> MetricRow:
    evaluated = None if accuracy is None else 1 - accuracy
    return MetricRow(step, loss, 0.75, evaluated, accuracy, evaluated, accuracy, step / 1000)


def span(
    claimed: ClaimedJob, first: int, last: int, saved: dict[int, float] | None = None, **changes: Any
) -> SpanRecord:
    """Steps first to last; `saved` names steps with a checkpoint and their validation accuracy."""
    saved = saved or {}
    rows = [metric(step, saved.get(step)) for step in range(first, last + 1)]
    values: dict[str, Any] = {
        "job_key": claimed.key,
        "attempt": claimed.attempt,
        "rows": rows,
        "resume_state": b"state after %d" % last,
        "checkpoints": [(row, b"weights of %d" % row.step) for row in rows if row.step in saved],
        "keep_checkpoints": 2,
        "identity": IDENTITY,
    }
    return SpanRecord(**{**values, **changes})


def submit(database: Database, spec: TrainSpec = SPEC, label: str | None = None, **tags: str) -> Job:
    with database.writing() as session:
        return jobs.submit(session, spec, label, tags, T0)


def claim(database: Database, job: Job, token: str = "token", seconds: float = 1) -> ClaimedJob | None:
    with database.writing() as session:
        jobs.set_submission(session, [job.key], token)
    return claim_with(database, job, token, seconds)


def claim_with(database: Database, job: Job, token: str, seconds: float = 1) -> ClaimedJob | None:
    with database.writing() as session:
        return jobs.claim_if_queued(session, job.key, token, BUILD, at(seconds))


def claimed_job(database: Database, spec: TrainSpec = SPEC) -> tuple[Job, ClaimedJob]:
    job = submit(database, spec)
    claimed = claim(database, job)
    assert claimed is not None
    return job, claimed


def finish(database: Database, job: Job) -> None:
    """Train a queued job to its end."""
    claimed = claim(database, job)
    assert claimed is not None
    last = span(claimed, 1, job.steps, {job.steps: 0.9})
    digest = hashlib.sha256(last.checkpoints[-1][1]).hexdigest()
    with database.writing() as session:
        record_spans(session, [last], at(10))
        jobs.finish_if_running(session, claimed.key, claimed.attempt, at(10), weights_sha256=digest)


def reread(database: Database, job: Job) -> Job:
    with database.reading() as session:
        return jobs.get(session, job.id)


def failure_of(database: Database, job: Job) -> dict[str, Any]:
    failure = reread(database, job).failure
    assert failure is not None
    return failure


def latest_of(database: Database, job: Job) -> dict[str, Any]:
    """The metrics of the job's newest step."""
    latest = reread(database, job).latest
    assert latest is not None
    return latest


def history(session: Session, job: Job) -> list[tuple[str, str]]:
    return [(entry.status, entry.reason) for entry in queries.transitions(session, [job.key])[job.key]]


def ids_of(database: Database) -> set[str]:
    with database.reading() as session:
        return set(session.scalars(select(Job.id)))
