"""The tables of API keys, and of the sessions that pages have with a key."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from service.store.columns import UtcDateTime
from service.store.tables import Base

MOST_NAME_CHARS = 80


class ApiKey(Base):
    """A key; its row stays when it is revoked or has expired. Only store/keys.py writes here."""

    __tablename__ = "api_keys"
    __table_args__ = ({"sqlite_autoincrement": True},)

    key: Mapped[int] = mapped_column(Integer, primary_key=True)
    """The order of arrival; clients never see it. Its negative is the owner of the key's single jobs."""
    id: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(MOST_NAME_CHARS))
    scopes: Mapped[str] = mapped_column(String(40))
    """Names of scopes, separated by spaces."""
    sha256: Mapped[str] = mapped_column(String(64))
    """Of the whole text of the key, which is not stored."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """From when it is refused; NULL for a key that does not expire."""
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When a request had it, to within the grain of store/keys.py."""


class KeySession(Base):
    """What a page may do until it signs out: what its key may. Only store/key_sessions.py writes here."""

    __tablename__ = "key_sessions"
    __table_args__ = (Index(None, "key_number"),)

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of the token, which only the cookie has."""
    key_number: Mapped[int] = mapped_column(ForeignKey("api_keys.key"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
