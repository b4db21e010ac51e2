"""Spans of training: stored whole or not at all, and only for the attempt that owns the job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.orm import Session

from models.specs.metrics import MetricRow
from service.failpoints import reach
from service.store import metrics
from service.store.counters import count
from service.store.digests import sha256_hex
from service.store.documents import replace_non_finite, row_document
from service.store.locks import lock_jobs
from service.store.pins import pinned_steps
from service.store.tables import Checkpoint, Job, ResumeState, Telemetry
from service.store.upserts import upsert


@dataclass(frozen=True)
class SpanRecord:
    """Consecutive steps of one job, as its task wants them stored."""

    job_key: int
    attempt: int
    rows: Sequence[MetricRow]
    resume_state: bytes | None
    checkpoints: Sequence[tuple[MetricRow, bytes]]
    keep_checkpoints: int
    """How many of the newest are kept besides the best; with 0 only the last is kept."""
    identity: dict[str, Any]
    """init_digest, data_digest and data_sha256 of the run, and the report of a data-dependent init."""
    telemetry: Sequence[tuple[int, list[dict[str, Any]]]] = ()
    """Steps, and the statistics of each layer after them."""
    attempt_seconds: float | None = None
    """How long the attempt has trained by the clock on the wall, this span included."""


class Recorded(NamedTuple):
    """Keys of the jobs that the task no longer owns, and of those that it must hand back."""

    lost: set[int]
    stopping: set[int]


def record_spans(session: Session, spans: Sequence[SpanRecord], now: datetime) -> Recorded:
    """Store a cohort's spans; return the jobs that are lost and those to hand back.

    A lost job gets no row. The others are stored together when the caller commits. Jobs are fenced in
    ascending key order, so that two transactions on PostgreSQL cannot wait for each other. A task may store a
    span again when it does not know whether the commit succeeded: the second time changes nothing.
    """
    recorded = Recorded(set(), set())
    for span in sorted(spans, key=attrgetter("job_key")):
        held = _advance_if_running(session, span, now)
        if held is None:
            if not _stored_before(session, span):
                recorded.lost.add(span.job_key)
            continue
        metrics.add(session, span.job_key, span.rows)
        reach("in-span-commit")
        if span.resume_state is not None:
            _replace_resume_state(session, span, span.resume_state)
        if span.telemetry:
            session.execute(insert(Telemetry), [_telemetry(span.job_key, *row) for row in span.telemetry])
        if span.checkpoints:
            _add_checkpoints(session, span, held, now)
        if held.stop_requested:
            recorded.stopping.add(span.job_key)
    for _ in recorded.lost:
        count(session, "fenced_writes")  # after all jobs: see locks.py
    return recorded


def any_lost_or_stopping(session: Session, attempts: Mapping[int, int]) -> bool:
    """Return whether one of these attempts, by job key, has lost its job or must hand it back."""
    held = tuple_(Job.key, Job.attempt).in_(attempts.items())
    query = select(func.count()).where(held, Job.status == "running", Job.stop_requested.is_(False))
    return session.scalar(query) != len(attempts)


def record_heartbeat(session: Session, attempts: Mapping[int, int], now: datetime) -> None:
    """Note that these attempts, by job key, are alive although they have no span to store."""
    held = tuple_(Job.key, Job.attempt).in_(attempts.items())
    keys = lock_jobs(session, held, Job.status == "running")
    session.execute(update(Job).where(Job.key.in_(keys)).values(moved_at=now))


def _advance_if_running(session: Session, span: SpanRecord, now: datetime) -> Any:
    last = row_document(span.rows[-1])
    evaluated = [row.test_accuracy for row in span.rows if row.test_accuracy is not None]
    newest = {"test_accuracy": evaluated[-1]} if evaluated else {}
    return session.execute(
        update(Job)
        .where(
            Job.key == span.job_key,
            Job.attempt == span.attempt,
            Job.status == "running",
            Job.step == span.rows[0].step - 1,
        )
        .values(
            step=last["step"],
            latest=last,
            moved_at=now,
            attempt_seconds=span.attempt_seconds,
            deaths_without_progress=0,
            revision=Job.revision + 1,
            **newest,
            **replace_non_finite(span.identity),
        )
        .returning(Job.best, Job.size_bytes, Job.stop_requested)
        .execution_options(synchronize_session=False)
    ).one_or_none()


def _stored_before(session: Session, span: SpanRecord) -> bool:
    row = session.execute(select(Job.attempt, Job.step).where(Job.key == span.job_key)).one_or_none()
    return row is not None and tuple(row) == (span.attempt, span.rows[-1].step)


def _telemetry(job_key: int, step: int, layers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"job_key": job_key, "step": step, "layers": replace_non_finite(layers)}


def _replace_resume_state(session: Session, span: SpanRecord, state: bytes) -> None:
    values = {"step": span.rows[-1].step, "state": state, "sha256": sha256_hex(state)}
    upsert(session, ResumeState, {"job_key": span.job_key, **values}, **values)


def _add_checkpoints(session: Session, span: SpanRecord, held: Any, now: datetime) -> None:
    """Store the checkpoints of a span that are kept after it, and delete older ones that are not."""
    ours = Checkpoint.job_key == span.job_key
    sizes = dict(session.execute(select(Checkpoint.step, Checkpoint.size_bytes).where(ours)).all())
    made = {row.step: (row, weights) for row, weights in span.checkpoints}
    best = _best_kept(span, held.best)
    pinned = pinned_steps(session, span.job_key)
    newest = sorted({*sizes, *made} - pinned)[-max(1, span.keep_checkpoints) :]
    kept = {*newest, *pinned, best["step"] if best else 0}
    # A run that restarted makes the pinned ones again.
    new = [_checkpoint(span.job_key, *made[step], now) for step in made if step in kept - pinned]
    session.execute(insert(Checkpoint), new)
    dropped = sizes.keys() - kept
    if dropped:
        session.execute(delete(Checkpoint).where(ours, Checkpoint.step.in_(dropped)))
    size_bytes = (
        held.size_bytes + sum(row["size_bytes"] for row in new) - sum(sizes[step] for step in dropped)
    )
    changed = {"size_bytes": size_bytes, **({} if best == held.best else {"best": best})}
    session.execute(update(Job).where(Job.key == span.job_key).values(**changed))


def _best_kept(span: SpanRecord, before: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the best checkpoint after a span; where only the last is kept, that is the best."""
    rows = [row for row, _ in span.checkpoints]
    return _best_of(before, rows) if span.keep_checkpoints else _best_of(None, rows[-1:])


def _best_of(best: dict[str, Any] | None, rows: Sequence[MetricRow]) -> dict[str, Any] | None:
    """Return the checkpoint of best validation accuracy, the earliest on ties; test figures never decide."""
    for row in rows:
        accuracy = row.validation_accuracy
        if accuracy is not None and (best is None or accuracy > best["validation_accuracy"]):
            names = ("step", "validation_accuracy", "test_accuracy")
            best = {name: getattr(row, name) for name in names}
    return best


def _checkpoint(job_key: int, row: MetricRow, weights: bytes, now: datetime) -> dict[str, Any]:
    document = row_document(row)
    names = ("step", "validation_accuracy", "validation_loss", "test_accuracy", "test_loss")
    return {
        "job_key": job_key,
        **{name: document[name] for name in names},
        "weights": weights,
        "size_bytes": len(weights),
        "sha256": sha256_hex(weights),
        "created_at": now,
    }
