"""Whether a process can start on its database: reached, writable, with a known schema and own sessions."""

import os
from typing import Any

from sqlalchemy import Connection, text

from service.errors import DatabaseUnusable
from service.store import schema
from service.store.database import Database
from service.store.driver_errors import translate_driver_errors
from service.store.refusals import POOLED
from service.store.sqlite_engine import open_beside

LOOKS = 64
"""More sessions than a pooler usually keeps for one database."""


def require_usable(database: Database) -> None:
    """Raise DatabaseUnavailable, with a cure in one line, where a process could not work with the database.

    A schema that is missing or older is no reason: `normserve migrate` may be about to run.
    """
    if database.is_sqlite:
        os.close(open_beside(database.url, "gate"))
    with translate_driver_errors(), database.engine.connect() as connection:
        if not database.is_sqlite:
            _require_own_session(database, connection)
        schema.require_known(connection)


def _require_own_session(database: Database, connection: Connection) -> None:
    """Raise DatabaseUnusable where a pooler shares one session of the server among its clients.

    Locks, settings and prepared statements belong to a session, and LISTEN needs one. A pooler gives its
    client another number than the server's, whichever way it pools.
    """
    mine = connection.execution_options(isolation_level="AUTOCOMMIT")
    driver: Any = mine.connection.driver_connection
    session = _session(mine)
    if session == driver.info.backend_pid:
        return
    with database.engine.connect() as other:
        theirs = other.execution_options(isolation_level="AUTOCOMMIT")
        # A pooler that shares gives the session of one to the other as soon as it is idle.
        if any(_session(theirs) == session or _session(mine) != session for _ in range(LOOKS)):
            raise DatabaseUnusable(POOLED.detail)


def _session(connection: Connection) -> int:
    """Return the number of the server's session that runs this statement."""
    return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
