"""Old jobs that have ended: counted, and deleted with all that belongs to them, a bounded batch at a time."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.orm import Session

from service.store.database import Database
from service.store.tables import ENDED, Checkpoint, Job

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
MOST_JOBS = 100
MOST_ROWS = 200_000  # a transaction with more would keep every other writer of a SQLite file waiting


class Pruned(NamedTuple):
    """How much went, or would go."""

    jobs: int = 0
    rows: int = 0
    """Of their metrics."""
    weights_bytes: int = 0


def parse_duration(text: str) -> timedelta:
    """Read a whole number and its unit, such as `30d`; raise ValueError."""
    found = re.fullmatch(r"([0-9]{1,5})([smhdw])", text)
    if found is None:
        raise ValueError("must be a whole number up to 99999 and a unit, s, m, h, d or w, such as 30d")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def count_prunable(session: Session, before: datetime) -> Pruned:
    """Count the jobs that ended before this time, and what belongs to them."""
    return _count(session, _is_old(before))


def prune(database: Database, before: datetime) -> Pruned:
    """Delete the jobs that ended before this time; what was deleted stays so when this is interrupted."""
    total = Pruned()
    while True:
        with database.writing() as session:
            gone = _prune_some(session, before)
        if not gone.jobs:
            return total
        total = Pruned(*map(sum, zip(total, gone, strict=True)))


def _prune_some(session: Session, before: datetime) -> Pruned:
    keys = _batch(session, before)
    gone = _count(session, Job.key.in_(keys))
    session.execute(delete(Job).where(Job.key.in_(keys)))
    return gone


def _batch(session: Session, before: datetime) -> Sequence[int]:
    """Choose the oldest jobs, at least one, and lock them where others can write meanwhile."""
    oldest = select(Job.key, Job.step).where(_is_old(before)).order_by(Job.key).limit(MOST_JOBS)
    keys: list[int] = []
    rows = 0
    for key, step in session.execute(oldest.with_for_update()):
        rows += step
        if keys and rows > MOST_ROWS:
            break
        keys.append(key)
    return keys


def _is_old(before: datetime) -> ColumnElement[bool]:
    # A comparison would no longer be one without some of its jobs: it is deleted as a whole.
    return and_(Job.status.in_(ENDED), Job.finished_at < before, Job.comparison_key.is_(None))


def _count(session: Session, chosen: ColumnElement[bool]) -> Pruned:
    jobs, rows = session.execute(select(func.count(), func.sum(Job.step)).where(chosen)).one()
    weights = select(func.sum(Checkpoint.size_bytes)).join(Job, Job.key == Checkpoint.job_key).where(chosen)
    return Pruned(jobs, int(rows or 0), int(session.scalar(weights) or 0))
