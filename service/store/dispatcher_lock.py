"""The lock that makes one dispatcher the active one: of a file, or of a PostgreSQL connection."""

import fcntl
import os
from contextlib import suppress

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError


class DispatcherLock:
    """Held until released, or until its process ends."""

    def __init__(self, holder: int | Connection) -> None:
        self._holder = holder

    def is_held(self) -> bool:
        """Return whether the lock is still ours: on PostgreSQL it ends with its connection."""
        if isinstance(self._holder, int):
            return True
        try:
            self._holder.execute(text("SELECT 1"))
        except DBAPIError:
            return False
        return True

    def release(self) -> None:
        """Let another dispatcher become the active one."""
        if isinstance(self._holder, int):
            os.close(self._holder)
            return
        with suppress(SQLAlchemyError):  # the server may notice only later that a connection is closed
            self._holder.execute(text("SELECT pg_advisory_unlock_all()"))
        self._holder.close()


def lock_file(handle: int) -> DispatcherLock | None:
    """Lock an open file; close it and return None while another process holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return DispatcherLock(handle)


def lock_database(engine: Engine, idle_seconds: int) -> DispatcherLock | None:
    """Take the advisory lock of a PostgreSQL database; return None while another session holds it."""
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.detach()  # the lock belongs to the connection, which must not go back to the pool with it
    connection.execute(text(f"SET idle_session_timeout = '{idle_seconds}s'"))
    if connection.scalar(text("SELECT pg_try_advisory_lock(hashtext('normserve dispatcher'))")):
        return DispatcherLock(connection)
    connection.close()
    return None
