"""The workers that the dispatcher last saw."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from service.store.tables import Worker
from service.store.upserts import upsert

PRESENT = timedelta(seconds=10)


def record_workers(session: Session, names: Collection[str], now: datetime) -> None:
    """Store that these workers run now, and no others."""
    session.execute(delete(Worker).where(Worker.name.not_in(names)))
    for name in names:
        upsert(session, Worker, {"name": name, "started_at": now, "seen_at": now}, seen_at=now)


def present(session: Session, now: datetime) -> int:
    """Return how many workers were seen in the last 10 seconds; older rows are those of a dead dispatcher.

    So are later ones, where the clock was set back: a dispatcher that lives replaces them within 2 seconds.
    """
    query = select(func.count()).where(Worker.seen_at > now - PRESENT, Worker.seen_at <= now)
    return session.scalar(query) or 0
