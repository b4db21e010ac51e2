"""The task that the engine runs: claim jobs, train them in lockstep, store every span."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from sqlalchemy.orm import Session

from models.data.digits import Digits
from models.data.originals import DatasetUnavailable
from models.specs.datasets import Dataset
from models.specs.metrics import MetricRow
from models.training.checkpoint import CheckpointMismatch
from models.training.loop import Outcome, Run, Span, Training, prepare_thread
from service.errors import DatabaseUnavailable
from service.failpoints import reach
from service.store import clock, jobs, queries
from service.store.database import Database
from service.store.failures import HANDED_BACK, Loss, describe_failure, name_quantity
from service.store.jobs import ClaimedJob
from service.store.locks import lock_jobs
from service.store.spans import SpanRecord, any_lost_or_stopping, record_spans
from service.store.tables import Job
from service.work import worker
from service.work.persistence import heartbeats, persist

log = structlog.get_logger()

FAILED_IN_A_STACK = Loss("training failed in a stack", "internal")


def train_cohort(keys: Sequence[int], submission: str) -> None:
    """Train the jobs that still wait for this submission; all results are stored in the database."""
    prepare_thread()
    database = worker.database()
    with worker.training:
        claimed = claim(database, keys, submission)
        if claimed:
            train_claimed(database, worker.digits, claimed, worker.longest_span_seconds())


def claim(database: Database, keys: Sequence[int], submission: str) -> list[ClaimedJob]:
    """Claim the jobs that wait for this submission; a stale or repeated task gets none."""

    def claim_all(session: Session) -> list[ClaimedJob]:
        build, now = worker.build(), clock.now(session)
        found = [
            jobs.claim_if_queued(session, key, submission, build, now)
            for key in lock_jobs(session, Job.key.in_(keys))
        ]
        return [job for job in found if job is not None]

    return persist(database, claim_all, "claim")


def train_claimed(
    database: Database,
    load: Callable[[Dataset], Digits],
    claimed: Sequence[ClaimedJob],
    longest_span_seconds: float | None = None,
) -> None:
    """Train a cohort, all of one shape, to its end; a run that is lost or handed back is dropped.

    When training raises, a job that is alone fails; those of a stack are requeued, to be trained alone.
    """
    log.info("training", **_named(claimed))
    attempts = {job.key: job.attempt for job in claimed}
    try:
        with heartbeats(database, attempts):
            digits = load(claimed[0].spec.dataset)
        training = Training([Run(job.spec, job.resume_state) for job in claimed], digits)
        must_end = partial(_must_end_span, database, claimed, training)
        began = time.monotonic()
        for spans in training.spans(must_end, longest_span_seconds):
            seconds = time.monotonic() - began
            store = partial(_store, claimed=claimed, training=training, spans=spans, seconds=seconds)
            ready = time.monotonic()
            gone = persist(database, store, "span-commit", attempts)
            steps = sum(len(span.rows) for span in spans if span.run not in gone)
            worker.count_commit(steps, time.monotonic() - ready)
            _log_ends([span for span in spans if span.outcome and span.run not in gone], claimed)
            training.drop(gone)
    except Exception as error:  # whatever it was, the jobs must not stay `running` for ever
        log.exception("training failed", **_named(claimed))
        persist(database, partial(_release_failed, claimed=claimed, error=error), "failure", attempts)


def _store(
    session: Session, claimed: Sequence[ClaimedJob], training: Training, spans: Sequence[Span], seconds: float
) -> set[int]:
    """Store spans, and the ends of runs that have finished; return the runs that this task must drop.

    `seconds` is how long the cohort has trained by the clock on the wall.
    """
    now = clock.now(session)
    records = [_record(claimed[span.run], training, span, seconds) for span in spans]
    recorded = record_spans(session, records, now)
    gone = set(recorded.lost)
    _log_losses(session, [job for job in claimed if job.key in gone])
    for span in sorted(spans, key=lambda span: claimed[span.run].key):
        job = claimed[span.run]
        if job.key in recorded.lost:
            continue
        if span.outcome:
            _finish(session, job, span, span.outcome, now)
        elif job.key in recorded.stopping or worker.leaving.is_set():
            jobs.requeue_if_running(session, job.key, job.attempt, HANDED_BACK, now)
            gone.add(job.key)
    return {span.run for span in spans if claimed[span.run].key in gone}


def _must_end_span(database: Database, claimed: Sequence[ClaimedJob], training: Training) -> bool:
    """Return whether the span must end now; False while the database is away."""
    if worker.leaving.is_set():
        return True
    attempts = {claimed[run].key: claimed[run].attempt for run in training.runs}
    try:
        with database.reading() as session:
            return any_lost_or_stopping(session, attempts)
    except DatabaseUnavailable:
        return False


def _record(job: ClaimedJob, training: Training, span: Span, seconds: float) -> SpanRecord:
    start, report = training.starts[span.run], training.init_reports.get(span.run)
    return SpanRecord(
        job_key=job.key,
        attempt=job.attempt,
        rows=span.rows,
        resume_state=span.resume_state,
        checkpoints=[(checkpoint.row, checkpoint.weights) for checkpoint in span.checkpoints],
        keep_checkpoints=job.spec.keep_checkpoints,
        telemetry=[(row.step, [asdict(layer) for layer in row.layers]) for row in span.telemetry],
        attempt_seconds=seconds,
        identity={
            "init_digest": start.init_digest,
            "data_digest": start.data_digest,
            "data_sha256": training.digits.sha256,
            **({} if report is None else {"init_report": [asdict(layer) for layer in report]}),
        },
    )


def _log_losses(session: Session, lost: Sequence[ClaimedJob]) -> None:
    """Log the jobs that are no longer this task's: only if no user has cancelled them is that a fault."""
    cancelled = [job for job in lost if queries.status_of(session, job.key) in {"cancelled", None}]
    others = [job for job in lost if job not in cancelled]
    if cancelled:
        log.info("training cancelled", **_named(cancelled))
    if others:
        log.warning("training lost", **_named(others))


def _finish(session: Session, job: ClaimedJob, span: Span, outcome: Outcome, now: datetime) -> None:
    reach("before-end")
    step = span.rows[-1].step
    if outcome == "succeeded":
        digest = span.checkpoints[-1].weights_sha256
        jobs.finish_if_running(session, job.key, job.attempt, now, weights_sha256=digest)
    else:
        failure = _failure_of_run(job, span, outcome, step)
        jobs.finish_if_running(session, job.key, job.attempt, now, failure=failure)


def _failure_of_run(job: ClaimedJob, span: Span, outcome: Outcome, step: int) -> dict[str, Any]:
    if outcome == "time_limit":
        message = f"after {step} steps training had taken max_seconds ({job.spec.max_seconds:g} s)"
        return describe_failure(outcome, message, step)
    message = f"{_what_diverged(span.rows[-1])} step {step} is not finite"
    first = span.first_non_finite
    if first is None:
        return describe_failure(outcome, message, step)
    place = f"layer {first.layer}, in {name_quantity(first.quantity)}"
    message = f"{message}; the first such number appeared in step {first.step} in {place}"
    return describe_failure(outcome, message, step, first.layer, first.quantity)


def _what_diverged(last: MetricRow) -> str:
    """Name the figure of a diverged run's last row that is not finite; if all are, its net is not."""
    name = next(iter(last.non_finite()), "net")
    return f"the {name.replace('_', ' ')} {'of' if name == 'train_loss' else 'after'}"


def _log_ends(ended: Sequence[Span], claimed: Sequence[ClaimedJob]) -> None:
    """Log the runs that have ended, in one line where they ended alike."""
    for outcome, step in sorted({(str(span.outcome), span.rows[-1].step) for span in ended}):
        alike = [claimed[span.run] for span in ended if (span.outcome, span.rows[-1].step) == (outcome, step)]
        log.info("training ended", **_named(alike), outcome=outcome, step=step)


def _named(jobs: Sequence[ClaimedJob]) -> dict[str, Any]:
    """Return what a log line names jobs by."""
    return {"jobs": [job.id for job in jobs], "attempts": [job.attempt for job in jobs]}


def _release_failed(session: Session, claimed: Sequence[ClaimedJob], error: Exception) -> None:
    stacked = len(claimed) > 1 and not isinstance(error, DatasetUnavailable)
    now = clock.now(session)
    for job in claimed:
        if stacked:
            # It counts as a death, whatever was stored before, because a job with deaths is trained alone.
            jobs.requeue_lost(session, job.key, job.attempt, job.spec.steps, FAILED_IN_A_STACK, now)
        else:
            jobs.finish_if_running(session, job.key, job.attempt, now, failure=_failure_of(error))


def _failure_of(error: Exception) -> dict[str, Any]:
    if isinstance(error, DatasetUnavailable):
        code, message = "dataset_unavailable", str(error)
    elif isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        code, message = "out_of_memory", "the run needs more memory than the worker has"
    elif isinstance(error, CheckpointMismatch):
        code, message = "checkpoint_corrupt", "the resume state does not match the spec"
    else:
        code, message = "internal", f"training raised {type(error).__name__}; the log has the traceback"
    return describe_failure(code, message)
