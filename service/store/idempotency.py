"""Responses to POSTs with an Idempotency-Key, so that a repeated request creates nothing twice."""

import re
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from service.errors import IdempotencyKeyInvalid, IdempotencyKeyReused
from service.store.tables import IdempotencyKey

KEPT = timedelta(hours=24)
USABLE = re.compile(r"[\x21-\x7e]{1,255}")


def check_key(key: str | None) -> None:
    """Raise IdempotencyKeyInvalid for a key that no request can have."""
    if key is not None and not USABLE.fullmatch(key):
        raise IdempotencyKeyInvalid("the key must be 1 to 255 visible ASCII characters")


def find(
    session: Session, key: str, operation: str, request_sha256: str, now: datetime
) -> IdempotencyKey | None:
    """Return the response stored for this key; block others with the same key until the caller commits.

    Raises IdempotencyKeyReused when the key was used for another request.
    """
    check_key(key)
    if session.get_bind().dialect.name == "postgresql":
        # SQLite lets only one writer in anyway.
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{operation} {key}", 0))))
    stored = session.get(IdempotencyKey, (key, operation))
    if stored is None or stored.created_at < now - KEPT:
        return None
    if stored.request_sha256 != request_sha256:
        raise IdempotencyKeyReused("this key was used with another body; a new request needs a new key")
    return stored


def remember(session: Session, response: IdempotencyKey) -> None:
    """Store a response in the transaction that creates what it describes; delete those older than 24 h."""
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < response.created_at - KEPT))
    session.add(response)
    session.flush()
