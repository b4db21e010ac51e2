"""One database as one process sees it: transactions that read and transactions that write."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from sqlalchemy import URL, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from service.store.dispatcher_lock import DispatcherLock, lock_database, lock_file
from service.store.driver_errors import translate_driver_errors
from service.store.marks import UnmarkedSession
from service.store.postgresql_engine import END_PAUSED_SESSIONS, postgresql_engine
from service.store.sqlite_engine import open_beside, sqlite_engine, sqlite_module, write_gate

CONNECTIONS = 20


class Database:
    """SQLite or PostgreSQL: read in `reading()`, change in `writing()`.

    Each block is one transaction. `writing` commits at its end and rolls back when the block raises.
    Raises DatabaseUnavailable when the database cannot be reached, or DatabaseUnusable when time does not
    heal that, and StorageFull when its disk is full.
    """

    def __init__(self, url: str | URL) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        make_engine = sqlite_engine if self.is_sqlite else postgresql_engine
        self.engine = make_engine(self.url, CONNECTIONS)
        self._writers = self.engine.execution_options(writes=True)

    @property
    def writers(self) -> int:
        """How many may write at once and leave readers their connections; SQLite has one, and the next."""
        return 2 if self.is_sqlite else CONNECTIONS // 2

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that changes nothing."""
        with translate_driver_errors(), UnmarkedSession(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Open a transaction that changes nothing, and in which all statements see one state."""
        with self.reading() as session:
            if not self.is_sqlite:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def writing(self, patience_seconds: float | None = None) -> Iterator[Session]:
        """Open a transaction that commits when the block ends.

        On SQLite it waits for other writers at most so long, by default 10 seconds.
        """
        with (
            translate_driver_errors(),
            self._gate(patience_seconds),
            UnmarkedSession(self._writers, expire_on_commit=False) as session,
        ):
            yield session
            session.commit()

    def _gate(self, patience_seconds: float | None) -> AbstractContextManager[None]:
        return write_gate(self.url, patience_seconds) if self.is_sqlite else nullcontext()

    def lock_dispatcher(self, idle_seconds: int = 0) -> DispatcherLock | None:
        """Take the lock that only one dispatcher can hold; return None while another holds it.

        PostgreSQL frees it when `is_held` has not been called for `idle_seconds`; with 0 it never does.
        """
        with translate_driver_errors():
            if self.is_sqlite:
                return lock_file(open_beside(self.url, "dispatcher"))
            return lock_database(self.engine, idle_seconds)

    def end_paused_sessions(self) -> int:
        """End our sessions whose client has been paused during a statement; return how many.

        They hold locks that no timeout of the server frees. SQLite has no sessions.
        """
        if self.is_sqlite:
            return 0
        with self.reading() as session:
            return len(session.execute(END_PAUSED_SESSIONS).all())

    def version(self) -> str:
        """Return the database's name and version; PostgreSQL is asked, so this also tests the connection."""
        if self.is_sqlite:
            return f"SQLite {sqlite_module().sqlite_version}"
        with self.reading() as session:
            return f"PostgreSQL {session.scalar(text('SHOW server_version'))}"

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
