"""Counters: of how often each guard fired, so that a test can show that it did, and of work for operators."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.store.tables import Counter
from service.store.upserts import upsert


def count(session: Session, name: str) -> None:
    """Add one to a counter."""
    add(session, {name: 1})


def add(session: Session, grown: Mapping[str, int]) -> None:
    """Add to counters, in the order of their names: two transactions cannot wait for each other."""
    for name, value in sorted(grown.items()):
        upsert(session, Counter, {"name": name, "value": value}, value=Counter.value + value)


def read(session: Session) -> dict[str, int]:
    """Return every counter that is not 0."""
    return dict(session.execute(select(Counter.name, Counter.value)).all())
