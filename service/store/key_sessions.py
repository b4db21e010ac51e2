"""Sessions of pages: opened with a key, ended by signing out, by time, or with the key.

Nothing here commits; `now` is an argument everywhere.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.store.digests import sha256_hex
from service.store.key_tables import KeySession

LASTS = timedelta(hours=12)
MOST_OF_KEY = 20
"""Sessions of one key; the oldest ends when there is one more."""


def begin(session: Session, key_number: int, now: datetime) -> str:
    """Open a session with a key; return its token, which cannot be read again."""
    token = secrets.token_hex(32)
    session.execute(delete(KeySession).where(KeySession.expires_at <= now))
    of_key = select(KeySession.sha256).where(KeySession.key_number == key_number)
    kept = of_key.order_by(KeySession.created_at.desc(), KeySession.sha256).limit(MOST_OF_KEY - 1)
    session.execute(
        delete(KeySession).where(KeySession.key_number == key_number, KeySession.sha256.not_in(kept))
    )
    values = {"key_number": key_number, "created_at": now, "expires_at": now + LASTS}
    session.add(KeySession(sha256=digest_of(token), **values))
    session.flush()
    return token


def end(session: Session, token: str) -> None:
    """End a session; one that has ended stays so."""
    session.execute(delete(KeySession).where(KeySession.sha256 == digest_of(token)))


def digest_of(token: str) -> str:
    """Return what is stored of a token."""
    return sha256_hex(token.encode())
