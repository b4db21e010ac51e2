"""Counters of how often each guard fired, so that a test can show that it did."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.store.tables import Counter
from service.store.upserts import upsert


def count(session: Session, name: str) -> None:
    """Add one to a counter."""
    upsert(session, Counter, {"name": name, "value": 1}, value=Counter.value + 1)


def read(session: Session) -> dict[str, int]:
    """Return every counter that is not 0."""
    return dict(session.execute(select(Counter.name, Counter.value)).all())
