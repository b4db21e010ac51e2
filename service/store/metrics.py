"""The exact histories, read in windows."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.store.tables import Metric


@dataclass(frozen=True)
class Window:
    """Steps from `start` to `end`, both included."""

    start: int = 1
    end: int = 2**31 - 1


def read(session: Session, job_key: int, window: Window, limit: int) -> Sequence[Metric]:
    """Read at most `limit` rows of a job's history in the order of their steps."""
    query = (
        select(Metric)
        .where(Metric.job_key == job_key, Metric.step.between(window.start, window.end))
        .order_by(Metric.step)
        .limit(limit)
    )
    return session.scalars(query).all()
