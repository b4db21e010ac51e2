"""Announcements of queued jobs on PostgreSQL: a dispatcher that misses one finds the job when it polls."""

import threading
from collections.abc import Callable
from typing import cast

import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.store.database import Database

log = structlog.get_logger()

CHANNEL = "normserve_jobs"
RETRY_SECONDS = 2.0
LOOK_SECONDS = 30.0


def announce(session: Session) -> None:
    """Notify dispatchers on PostgreSQL that a job is queued, once the transaction is committed."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"NOTIFY {CHANNEL}"))


def listen(database: Database, wake: Callable[[], None]) -> bool:
    """Call `wake` on every announcement, from a new thread; return False on SQLite, which has none."""
    if database.is_sqlite:
        return False
    threading.Thread(target=_listen, args=(database, wake), daemon=True).start()
    return True


def _listen(database: Database, wake: Callable[[], None]) -> None:
    silence = threading.Event()  # never set: the thread ends with its process
    while True:
        try:
            with database.engine.connect() as connection:
                connection.detach()  # it listens, in autocommit mode: it must not go back to the pool
                _wake_on_notifications(cast(psycopg.Connection, connection.connection.dbapi_connection), wake)
        except Exception as error:  # whatever it was, the dispatcher polls meanwhile
            log.warning("job announcements unavailable", reason=type(error).__name__)
        silence.wait(RETRY_SECONDS)


def _wake_on_notifications(connection: psycopg.Connection, wake: Callable[[], None]) -> None:
    connection.autocommit = True
    connection.execute(f"LISTEN {CHANNEL}")
    while True:
        for _ in connection.notifies(timeout=LOOK_SECONDS):
            wake()
        connection.execute("SELECT 1")  # raises when the connection is cut off, which is silent otherwise
