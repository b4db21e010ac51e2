"""A hint that there is something new to dispatch; who misses it polls and finds it a little later."""

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
    """Tell dispatchers on PostgreSQL, once the transaction is committed, that a job is queued."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"NOTIFY {CHANNEL}"))


def listen(database: Database, wake: Callable[[], None]) -> bool:
    """Call `wake` on every announcement, from a thread of its own; False where there are none to hear."""
    if database.is_sqlite:
        return False
    threading.Thread(target=_listen, args=(database, wake), daemon=True).start()
    return True


def _listen(database: Database, wake: Callable[[], None]) -> None:
    silence = threading.Event()  # never set: the thread ends with its process
    while True:
        try:
            with database.engine.connect() as connection:
                connection.detach()  # in autocommit, and listening: it must not go back to the pool
                _hear(cast(psycopg.Connection, connection.connection.dbapi_connection), wake)
        except Exception as error:  # a hint is worth no trouble: polling goes on meanwhile
            log.warning("announcements of jobs are not heard", reason=type(error).__name__)
        silence.wait(RETRY_SECONDS)


def _hear(connection: psycopg.Connection, wake: Callable[[], None]) -> None:
    connection.autocommit = True
    connection.execute(f"LISTEN {CHANNEL}")
    while True:
        for _ in connection.notifies(timeout=LOOK_SECONDS):
            wake()
        connection.execute("SELECT 1")  # a connection that is cut off says nothing
