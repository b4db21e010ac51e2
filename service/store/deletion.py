"""Jobs and comparisons that have ended, deleted: marked in the caller's transaction, and swept later."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from service.errors import ComparisonNotEnded, JobInUse, JobNotEnded
from service.store import jobs
from service.store.locks import lock_jobs
from service.store.pins import refuse_if_pinned
from service.store.tables import ENDED, Comparison, Job


class Deleted(NamedTuple):
    """A job that is marked, with the number of its metric rows and the bytes of its weights."""

    id: str
    rows: int
    size_bytes: int


def delete_job(session: Session, public_id: str, now: datetime) -> Deleted:
    """Delete a job; raise JobNotFound, JobNotEnded, or JobInUse.

    A job is in use while it belongs to a comparison, or while a model serves a checkpoint of it.
    """
    job = jobs.get(session, public_id)
    if job.status not in ENDED:
        raise JobNotEnded(f"the job is {job.status}; cancel it before you delete it")
    if job.comparison_key is not None:
        comparison = session.get_one(Comparison, job.comparison_key)
        raise JobInUse(f"the job is a run of {comparison.id}; delete the comparison to delete it")
    lock_jobs(session, Job.key == job.key)
    refuse_if_pinned(session, Job.key == job.key, "the job")
    marked = mark_jobs(session, Job.key == job.key, now)
    return marked[0] if marked else Deleted(public_id, 0, 0)


def delete_comparison(session: Session, comparison: Comparison, now: datetime) -> Sequence[Deleted]:
    """Delete a locked comparison with all its jobs, which are returned.

    Raises ComparisonNotEnded, and JobInUse while a model serves a checkpoint of one of them.
    """
    ours = Job.comparison_key == comparison.key
    left = session.scalar(select(func.count()).where(ours, Job.status.not_in(ENDED)))
    if left:
        raise ComparisonNotEnded(
            f"the comparison has {left} jobs that have not ended; cancel it before you delete it"
        )
    lock_jobs(session, ours)  # all of them: none can be added to a locked comparison
    refuse_if_pinned(session, ours, "the comparison")
    marked = mark_jobs(session, ours, now)
    _mark_comparison(session, comparison.key, now)
    return marked


def mark_jobs(session: Session, which: ColumnElement[bool], now: datetime) -> Sequence[Deleted]:
    """Mark jobs that have ended; several are locked before."""
    marked = (
        update(Job)
        .where(which)
        .values(deleted_at=now)
        .returning(Job.id, Job.step, Job.size_bytes)
        .execution_options(synchronize_session=False)
    )
    return [Deleted(*row) for row in session.execute(marked)]


def _mark_comparison(session: Session, key: int, now: datetime) -> None:
    marked = update(Comparison).where(Comparison.key == key).values(deleted_at=now)
    session.execute(marked.execution_options(synchronize_session=False))
