"""Announcements of queued jobs: a dispatcher that misses one finds the job when it polls.

PostgreSQL notifies its clients. A SQLite file only says cheaply that something has changed.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.store.database import Database

log = structlog.get_logger()

CHANNEL = "normserve_jobs"
RETRY_SECONDS = 2.0
LOOK_SECONDS = 30.0
FILE_SECONDS = 0.04
"""Between two looks at a SQLite file, which take some microseconds each."""


def announce(session: Session) -> None:
    """Notify dispatchers on PostgreSQL that a job is queued, once the transaction is committed."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"NOTIFY {CHANNEL}"))


def listen(database: Database, wake: Callable[[], None]) -> None:
    """Call `wake` on every announcement, and on SQLite on every commit of others, from a new thread."""
    follow = _wake_on_commits if database.is_sqlite else _wake_on_notifications
    threading.Thread(target=_listen, args=(database, follow, wake), daemon=True).start()


def _listen(
    database: Database, follow: Callable[[Any, Callable[[], None]], None], wake: Callable[[], None]
) -> None:
    silence = threading.Event()  # never set: the thread ends with its process
    while True:
        try:
            with database.engine.connect() as connection:
                connection.detach()  # it is this thread's for ever: it must not go back to the pool
                follow(connection.connection.dbapi_connection, wake)
        except Exception as error:  # whatever it was, the dispatcher polls meanwhile
            log.warning("job announcements unavailable", reason=type(error).__name__)
        silence.wait(RETRY_SECONDS)


def _wake_on_commits(connection: Any, wake: Callable[[], None]) -> None:
    seen = None
    while True:
        # It changes with every commit of another connection.
        [version] = connection.execute("PRAGMA data_version").fetchone()
        if version != seen:
            wake()
        seen = version
        time.sleep(FILE_SECONDS)  # SQLite cannot say when another process commits: one has to look


def _wake_on_notifications(connection: psycopg.Connection[Any], wake: Callable[[], None]) -> None:
    connection.autocommit = True
    connection.execute(f"LISTEN {CHANNEL}")
    while True:
        for _ in connection.notifies(timeout=LOOK_SECONDS):
            wake()
        connection.execute("SELECT 1")  # raises when the connection is cut off, which is silent otherwise
