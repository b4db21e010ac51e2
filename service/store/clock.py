"""The clock of the database: every time that is stored, or compared with a stored one, is read from it."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session


def now(session: Session) -> datetime:
    """Return the time now, in UTC, by the one clock that all processes of a database share.

    The clocks of their machines may differ by hours. SQLite runs in this process, so its clock is this
    machine's, read here because its own functions round to milliseconds.
    """
    if session.get_bind().dialect.name == "sqlite":
        return datetime.now(UTC)
    found: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return found
