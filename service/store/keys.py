"""API keys: made, listed, revoked, and read whole, so that a process need not look each one up.

Nothing here commits; `now` is an argument everywhere.
"""

import re
import secrets
import zlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from hmac import compare_digest
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, inspect, or_, select, update
from sqlalchemy.orm import Session

from service.callers import ADMIN, SCOPES, Caller
from service.errors import KeyNotFound, TooManyKeys
from service.store import clock, public_ids
from service.store.database import Database
from service.store.digests import sha256_hex
from service.store.key_tables import ApiKey, KeySession

PREFIX = "normserve_"
_TEXT = re.compile(rf"{PREFIX}([0-9a-f]{{32}})[0-9a-f]{{64}}([0-9a-f]{{8}})")
"""The prefix, the id, 32 random bytes, and the CRC-32 of all before: scanners for secrets can know it."""
_ID = slice(len(PREFIX), len(PREFIX) + 32)
MOST_KEYS = 1000
"""Keys that are neither revoked nor expired: every process keeps them in memory."""
USED_GRAIN = timedelta(minutes=10)


class Usable(NamedTuple):
    """The keys that are neither revoked nor expired, and their sessions."""

    keys: Mapping[str, tuple[str, Caller]]
    """By id: the sha256 of the key, and who has it."""
    sessions: Mapping[str, Caller]
    """By the sha256 of the token of a session."""
    is_first_made: bool
    """Whether the database has ever had a key, whatever has become of it."""
    long_unused: frozenset[int]
    """The numbers of the keys whose last use was longer ago than the grain."""

    def by_text(self, text: str) -> Caller | None:
        """Return who has a key, compared in constant time; None for a wrong one."""
        sha256, caller = self.keys.get(f"{public_ids.KEY}_{text[_ID]}", ("", None))
        return caller if compare_digest(sha256, sha256_hex(text.encode())) else None


def create(
    session: Session, name: str, scopes: Collection[str], now: datetime, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Add a key; return its row and its text, which cannot be read again. Raises TooManyKeys."""
    if session.scalar(select(func.count()).where(_is_usable(now))) >= MOST_KEYS:  # type: ignore[operator] # a count is never None
        raise TooManyKeys(f"there are {MOST_KEYS:,} keys already; revoke one first")
    key_id = public_ids.new(public_ids.KEY)
    text = written(key_id.partition("_")[2])
    row = ApiKey(
        id=key_id,
        name=name,
        scopes=" ".join(scope for scope in SCOPES if scope in scopes),
        sha256=sha256_hex(text.encode()),
        created_at=now,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    return row, text


def written(id_digits: str) -> str:
    """Return the text of a new key, by the digits of its id."""
    text = f"{PREFIX}{id_digits}{secrets.token_hex(32)}"
    return f"{text}{zlib.crc32(text.encode()):08x}"


def id_of(text: str) -> str | None:
    """Return the id in a key's text; None if it is no key, or is mistyped."""
    found = _TEXT.fullmatch(text)
    if found is None or int(found[2], 16) != zlib.crc32(text[:-8].encode()):
        return None
    return f"{public_ids.KEY}_{found[1]}"


def list_all(session: Session) -> Sequence[ApiKey]:
    """Return every key, the revoked and the expired too, in the order in which they were made."""
    return session.scalars(select(ApiKey).order_by(ApiKey.key)).all()


def revoke(session: Session, which: str, now: datetime) -> ApiKey:
    """Revoke a key by its id, or by its name if no other usable key has that; its sessions end too.

    To revoke a revoked key again changes nothing. Raises KeyNotFound.
    """
    named = and_(ApiKey.name == which, _is_usable(now))
    found = session.scalars(select(ApiKey).where(or_(ApiKey.id == which, named))).all()
    if not found:
        raise KeyNotFound("there is no such key; normserve keys list shows all")
    if len(found) > 1:
        raise KeyNotFound("several keys have this name; name one by its id, which normserve keys list shows")
    [row] = found
    row.revoked_at = row.revoked_at or now
    return row


def is_ready(database: Database) -> bool:
    """Return whether a database has a usable key; one that does not exist, or is older than keys, has none.

    Raises DatabaseUnavailable.
    """
    if database.is_sqlite and not Path(database.url.database or "").exists():
        return False
    with database.reading() as session:
        if not inspect(session.connection()).has_table(ApiKey.__tablename__):
            return False
        return bool(session.scalar(select(exists().where(_is_usable(clock.now(session))))))


def read_usable(session: Session, now: datetime) -> Usable:
    """Return all keys that are neither revoked nor expired, with the sessions that have not ended."""
    rows = session.scalars(select(ApiKey).where(_is_usable(now))).all()
    callers = {row.key: _caller(row) for row in rows}
    query = select(KeySession.sha256, KeySession.key_number).where(KeySession.expires_at > now)
    return Usable(
        keys={row.id: (row.sha256, callers[row.key]) for row in rows},
        sessions={sha256: callers[number] for sha256, number in session.execute(query) if number in callers},
        is_first_made=bool(rows) or bool(session.scalar(select(exists().where(ApiKey.key > 0)))),
        long_unused=frozenset(row.key for row in rows if _is_long_unused(row, now)),
    )


def note_uses(session: Session, numbers: Collection[int], now: datetime) -> None:
    """Store that these keys were used."""
    session.execute(update(ApiKey).where(ApiKey.key.in_(numbers)).values(last_used_at=now))


def _is_usable(now: datetime) -> ColumnElement[bool]:
    return and_(ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now))


def _is_long_unused(row: ApiKey, now: datetime) -> bool:
    return row.last_used_at is None or row.last_used_at < now - USED_GRAIN


def _caller(row: ApiKey) -> Caller:
    scopes = row.scopes.split()
    return Caller(row.id, row.name, frozenset(SCOPES if ADMIN in scopes else scopes), row.key)
