"""Old jobs that have ended: counted, and deleted with all their rows in batches of bounded size."""

import re
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from service.store.database import Database
from service.store.tables import ENDED, Checkpoint, Comparison, Job

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
MOST_JOBS = 100
# A larger transaction would block every other writer of a SQLite file, and time out on PostgreSQL.
MOST_ROWS = 200_000
MOST_WEIGHTS_BYTES = 256 * 2**20


class Pruned(NamedTuple):
    """How much was deleted, or would be."""

    jobs: int = 0
    rows: int = 0
    """Metric rows."""
    weights_bytes: int = 0

    def plus(self, more: "Pruned") -> "Pruned":
        """Return the sums."""
        return Pruned(self.jobs + more.jobs, self.rows + more.rows, self.weights_bytes + more.weights_bytes)


def parse_duration(text: str) -> timedelta:
    """Parse a whole number and its unit, such as `30d`; raise ValueError for anything else."""
    found = re.fullmatch(r"([0-9]{1,5})([smhdw])", text)
    if found is None:
        raise ValueError("must be a whole number up to 99999 and a unit, s, m, h, d or w, such as 30d")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def count_prunable(session: Session, before: datetime) -> Pruned:
    """Count the jobs that ended before this time, their metric rows and the bytes of their weights."""
    whole = select(Comparison.key).where(_is_old_comparison(before))
    return _count(session, or_(_is_old(before), Job.comparison_key.in_(whole)))


def prune(database: Database, before: datetime) -> Pruned:
    """Delete the jobs that ended before this time; those of a comparison only when all of them did.

    A comparison is deleted first, then its jobs. When this is interrupted, what is deleted stays deleted.
    """
    with database.reading() as session:
        old = session.scalars(select(Comparison.key).where(_is_old_comparison(before))).all()
    for key in old:
        with database.writing() as session:
            _detach_jobs(session, key, before)
    total = Pruned()
    for gone in _prune_in_batches(database, before):
        total = total.plus(gone)
    return total


def _detach_jobs(session: Session, key: int, before: datetime) -> None:
    """Delete a comparison whose jobs are all old; these remain as single jobs."""
    comparison = session.get(Comparison, key, with_for_update=True)
    # It may have been extended or deleted before it was locked.
    still_old = select(_is_old_comparison(before)).where(Comparison.key == key)
    if comparison is not None and session.scalar(still_old):
        session.execute(update(Job).where(Job.comparison_key == key).values(comparison_key=None))
        session.execute(delete(Comparison).where(Comparison.key == key))


def _prune_in_batches(database: Database, before: datetime) -> Iterator[Pruned]:
    """Delete in transactions of bounded size; yield what each deleted."""
    gone = None
    while gone is None or gone.jobs:
        started = time.monotonic()
        with database.writing() as session:
            gone = _prune_some(session, before)
        yield gone
        # Writers that wait for a SQLite file poll its lock: leave them as much time as we took.
        time.sleep(time.monotonic() - started)


def _prune_some(session: Session, before: datetime) -> Pruned:
    keys = _batch(session, before)
    gone = _count(session, Job.key.in_(keys))
    session.execute(delete(Job).where(Job.key.in_(keys)))
    return gone


def _batch(session: Session, before: datetime) -> Sequence[int]:
    """Choose the oldest jobs, at least one, and lock them on PostgreSQL."""
    weights = select(func.sum(Checkpoint.size_bytes)).where(Checkpoint.job_key == Job.key).scalar_subquery()
    oldest = select(Job.key, Job.step, weights).where(_is_old(before)).order_by(Job.key).limit(MOST_JOBS)
    keys: list[int] = []
    rows = weights_bytes = 0
    for key, step, size_bytes in session.execute(oldest.with_for_update(of=Job)):
        rows += step
        weights_bytes += size_bytes or 0
        if keys and (rows > MOST_ROWS or weights_bytes > MOST_WEIGHTS_BYTES):
            break
        keys.append(key)
    return keys


def _is_old(before: datetime) -> ColumnElement[bool]:
    return and_(Job.status.in_(ENDED), Job.finished_at < before, Job.comparison_key.is_(None))


def _is_old_comparison(before: datetime) -> ColumnElement[bool]:
    young = or_(Job.status.not_in(ENDED), Job.finished_at >= before)
    return ~exists().where(Job.comparison_key == Comparison.key, young)


def _count(session: Session, chosen: ColumnElement[bool]) -> Pruned:
    jobs, rows = session.execute(select(func.count(), func.sum(Job.step)).where(chosen)).one()
    weights = select(func.sum(Checkpoint.size_bytes)).join(Job, Job.key == Checkpoint.job_key).where(chosen)
    return Pruned(jobs, int(rows or 0), int(session.scalar(weights) or 0))
