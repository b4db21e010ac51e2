"""Old jobs that have ended: counted, and deleted with all their rows in transactions of bounded size.

What a model serves stays.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from service.store import clock
from service.store.database import Database
from service.store.deletion import Deleted, delete_comparison, mark_jobs
from service.store.locks import lock_jobs
from service.store.pins import is_pinned
from service.store.sweeping import sweep_all
from service.store.tables import ENDED, Comparison, Job

MOST_MARKED = 1000
"""The most jobs of a transaction: as many as a comparison has."""


class Pruned(NamedTuple):
    """How much was deleted, or would be."""

    jobs: int = 0
    rows: int = 0
    """Metric rows."""
    weights_bytes: int = 0

    def plus(self, more: "Pruned") -> "Pruned":
        """Return the sums."""
        return Pruned(self.jobs + more.jobs, self.rows + more.rows, self.weights_bytes + more.weights_bytes)


def count_prunable(session: Session, before: datetime) -> Pruned:
    """Count the jobs that ended before this time, their metric rows and the bytes of their weights."""
    whole = select(Comparison.key).where(_is_old_comparison(before))
    return _count(session, or_(_is_old(before), Job.comparison_key.in_(whole)))


def prune(database: Database, before: datetime) -> Pruned:
    """Delete the jobs that ended before this time; those of a comparison only when all of them did.

    They are marked first, then swept with all else that is marked, whether a dispatcher runs or not. When
    this is interrupted, what is marked stays deleted, and whoever sweeps next goes on.
    """
    total = mark_old(database, before)
    sweep_all(database, time.sleep)
    return total


def mark_old(database: Database, before: datetime) -> Pruned:
    """Mark as deleted what `prune` deletes, for a sweeper to remove; return how much that is."""
    total = Pruned()
    for marked in _mark_in_batches(database, before):
        for job in marked:
            total = total.plus(Pruned(1, job.rows, job.size_bytes))
    return total


def _mark_in_batches(database: Database, before: datetime) -> Iterator[Sequence[Deleted]]:
    """Mark in transactions of bounded size; yield what each has marked."""
    with database.reading() as session:
        old = session.scalars(select(Comparison.key).where(_is_old_comparison(before))).all()
    for key in old:
        with database.writing() as session:
            marked = _mark_comparison(session, key, before)
        yield marked
    marked = [Deleted("", 0, 0)]
    while marked:
        with database.writing() as session:
            keys = lock_jobs(session, _is_old(before), most=MOST_MARKED)
            # A model may have been pointed at one of them before it was locked.
            marked = mark_jobs(session, and_(Job.key.in_(keys), ~is_pinned()), clock.now(session))
        yield marked


def _mark_comparison(session: Session, key: int, before: datetime) -> Sequence[Deleted]:
    comparison = session.get(Comparison, key, with_for_update=True)
    lock_jobs(session, Job.comparison_key == key)
    # It may have been extended or deleted, or a model pointed at it, before it was locked.
    still_old = select(_is_old_comparison(before)).where(Comparison.key == key)
    if comparison is None or not session.scalar(still_old):
        return []
    return delete_comparison(session, comparison, clock.now(session))


def _is_old(before: datetime) -> ColumnElement[bool]:
    return and_(Job.status.in_(ENDED), Job.finished_at < before, Job.comparison_key.is_(None), ~is_pinned())


def _is_old_comparison(before: datetime) -> ColumnElement[bool]:
    young = or_(Job.status.not_in(ENDED), Job.finished_at >= before, is_pinned())
    return ~exists().where(Job.comparison_key == Comparison.key, young)


def _count(session: Session, chosen: ColumnElement[bool]) -> Pruned:
    sums = (func.coalesce(func.sum(column), 0) for column in (Job.step, Job.size_bytes))
    return Pruned(*map(int, session.execute(select(func.count(Job.key), *sums).where(chosen)).one()))
