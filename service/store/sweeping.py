"""What is marked as deleted, swept: its rows and weights go in transactions of bounded size."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Row, delete, exists, func, select, update
from sqlalchemy.orm import Session

from service.failpoints import reach
from service.store import clock
from service.store.database import Database
from service.store.ends import IS_PENDING, is_any_pending, make_deliveries
from service.store.marks import WITH_MARKED
from service.store.tables import Checkpoint, Comparison, Job, Metric, Telemetry

MOST_JOBS = 100
# A larger transaction would block every other writer of a SQLite file for too long.
MOST_ROWS = 20_000
MOST_WEIGHTS_BYTES = 32 * 2**20
ROWS_OF_TELEMETRY = 10
"""The metric rows that take as long to delete as one evaluation's telemetry."""

_MARKED = Job.deleted_at.is_not(None)
_CHANGE = {**WITH_MARKED, "synchronize_session": False}


def sweep_all(database: Database, pause: Callable[[float], object]) -> None:
    """Sweep until nothing is left, or until `pause` returns true.

    It is called after each transaction with the seconds that this took: writers that wait for a SQLite file
    poll its lock, so they are left as much time.
    """
    while True:
        started = time.monotonic()
        if not sweep(database) or pause(time.monotonic() - started):
            return


def sweep(database: Database) -> bool:
    """Delete a bounded part of what is marked, in one transaction; return whether there was any.

    The oldest jobs go first, and comparisons once none of their jobs is left. Whatever interrupts it, the
    next call goes on: a marked job's `step` and `size_bytes` are of the rows and weights that it still has.
    """
    with database.reading() as session:
        if not _has_marked(session):
            return False
    while _make_deliveries(database):
        pass  # payloads of webhooks need the rows, and no dispatcher may be there to make them
    with database.writing() as session:
        return _sweep_jobs(session) or _sweep_comparisons(session)


def _make_deliveries(database: Database) -> bool:
    with database.reading() as session:
        if not is_any_pending(session):
            return False
    with database.writing() as session:
        return make_deliveries(session, clock.now(session))


def _has_marked(session: Session) -> bool:
    marked = (Job.key, _MARKED), (Comparison.key, Comparison.deleted_at.is_not(None))
    found = (select(key).where(condition).limit(1) for key, condition in marked)
    return any(session.scalar(query, execution_options=WITH_MARKED) for query in found)


def _sweep_jobs(session: Session) -> bool:
    """Delete the oldest jobs that are small enough together, or else a part of the first."""
    evaluations = (
        Job.spec["telemetry"].as_boolean().label("telemetry"),
        Job.spec["eval_every"].as_integer().label("eval_every"),
    )
    marked = select(Job.key, Job.step, Job.size_bytes, *evaluations).where(_MARKED, ~IS_PENDING)
    marked = marked.order_by(Job.key)
    # Whoever sweeps at the same time takes others.
    chosen = marked.limit(MOST_JOBS).with_for_update(skip_locked=True)
    found = session.execute(chosen, execution_options=WITH_MARKED).all()
    whole = _small_enough(found)
    if whole:
        session.execute(delete(Job).where(Job.key.in_(whole)), execution_options=_CHANGE)
    elif found:
        _shrink(session, found[0])
    reach("in-sweep")
    return bool(found)


def _small_enough(found: Sequence[Row[Any]]) -> list[int]:
    keys: list[int] = []
    rows = weights_bytes = 0.0
    for job in found:
        rows += job.step * _rows_per_step(job)
        weights_bytes += job.size_bytes
        if rows > MOST_ROWS or weights_bytes > MOST_WEIGHTS_BYTES:
            break
        keys.append(job.key)
    return keys


def _rows_per_step(job: Row[Any]) -> float:
    return 1 + ROWS_OF_TELEMETRY / (job.eval_every or 1) if job.telemetry else 1


def _shrink(session: Session, job: Row[Any]) -> None:
    """Delete some of a job's checkpoints, or the metrics and telemetry of its last steps."""
    if job.size_bytes > MOST_WEIGHTS_BYTES:
        left = {"size_bytes": job.size_bytes - _delete_checkpoints(session, job)}
    else:
        left = {"step": max(0, job.step - int(MOST_ROWS / _rows_per_step(job)))}
        for table in (Metric, Telemetry):
            session.execute(delete(table).where(table.job_key == job.key, table.step > left["step"]))
    session.execute(update(Job).where(Job.key == job.key).values(**left), execution_options=_CHANGE)


def _delete_checkpoints(session: Session, job: Row[Any]) -> int:
    """Delete the newest checkpoints until the bound is reached; return their bytes."""
    gone = 0
    while gone < MOST_WEIGHTS_BYTES:
        newest = select(func.max(Checkpoint.step)).where(Checkpoint.job_key == job.key).scalar_subquery()
        chosen = delete(Checkpoint).where(Checkpoint.job_key == job.key, Checkpoint.step == newest)
        size_bytes = session.scalar(chosen.returning(Checkpoint.size_bytes))
        if size_bytes is None:
            return int(job.size_bytes)
        gone += size_bytes
    return gone


def _sweep_comparisons(session: Session) -> bool:
    """Delete marked comparisons, of which no job is left."""
    without_jobs = ~exists().where(Job.comparison_key == Comparison.key)
    marked = (
        select(Comparison.key)
        .where(Comparison.deleted_at.is_not(None), without_jobs)
        .order_by(Comparison.key)
        .limit(MOST_JOBS)
        .with_for_update(skip_locked=True, of=Comparison)
    )
    keys = session.scalars(marked, execution_options=WITH_MARKED).all()
    if keys:
        session.execute(delete(Comparison).where(Comparison.key.in_(keys)), execution_options=_CHANGE)
    return bool(keys)
