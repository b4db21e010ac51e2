"""Connections and transactions, on SQLite and PostgreSQL alike."""

import fcntl
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import DeclarativeBase, Session

from service.errors import DatabaseUnavailable, NormserveError, StorageFull
from service.store.connections import END_PAUSED_SESSIONS, STATEMENT_SECONDS, postgresql_engine

SAFE_SQLITE = (3, 51, 3)  # older ones can corrupt a WAL database, but for two back-ports
BACK_PORTS = ((3, 50, 7), (3, 44, 6))
BUSY_SECONDS = 10
NOT_READY = {
    "42P01",
    "25006",
}  # PostgreSQL: no such table, for want of a migration; read-only, after a failover
WAITED = {
    "57014": f"the database took more than {STATEMENT_SECONDS} seconds",
    "55P03": "another transaction holds what this one needs",
}
CONNECTIONS = 20


class Database:
    """One database as one process sees it: read in `reading()`, change in `writing()`.

    Each block is one transaction. `writing` commits at its end and undoes everything when the block
    raises. Raises DatabaseUnavailable when the server does not answer, StorageFull when its disk is full.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else postgresql_engine(url, CONNECTIONS)
        self._writers = self.engine.execution_options(writes=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that changes nothing."""
        with told_apart(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Open a transaction that changes nothing, and in which all statements see one state."""
        with self.reading() as session:
            if not self.is_sqlite:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that commits when the block ends."""
        with told_apart(), self._gate(), Session(self._writers, expire_on_commit=False) as session:
            yield session
            session.commit()

    @contextmanager
    def _gate(self) -> Iterator[None]:
        """Let the writers of a SQLite file in one by one: its own busy handler polls and starves some."""
        if not self.is_sqlite:
            yield
            return
        try:
            gate = os.open(f"{self.url.database}.gate", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise DatabaseUnavailable("the folder of the database cannot be written to") from error
        try:
            _lock(gate, time.monotonic() + BUSY_SECONDS)
            yield
        finally:
            os.close(gate)

    def lock_dispatcher(self, idle_seconds: int = 0) -> "DispatcherLock | None":
        """Take the lock that only one dispatcher can hold; None where another holds it.

        PostgreSQL frees it when `is_held` has not been asked for so long; with 0 it never does.
        """
        with told_apart():
            if self.is_sqlite:
                return _lock_file(f"{self.url.database}.dispatcher")
            return _advisory_lock(self.engine, idle_seconds)

    def end_paused_sessions(self) -> int:
        """End sessions of ours whose client has stood still within a statement, and count them.

        Theirs are locks that no timeout of the server frees. SQLite has no sessions.
        """
        if self.is_sqlite:
            return 0
        with self.reading() as session:
            return len(session.execute(END_PAUSED_SESSIONS).all())

    def version(self) -> str:
        """Name the database and its version; also shows that it answers."""
        if self.is_sqlite:
            return f"SQLite {sqlite_module().sqlite_version}"
        with self.reading() as session:
            return f"PostgreSQL {session.scalar(text('SHOW server_version'))}"

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


class DispatcherLock:
    """Held until released, or until its process ends."""

    def __init__(self, holder: int | Connection) -> None:
        self._holder = holder

    def is_held(self) -> bool:
        """Tell whether the lock is still ours: that of PostgreSQL ends with its connection."""
        if isinstance(self._holder, int):
            return True
        try:
            self._holder.execute(text("SELECT 1"))
        except DBAPIError:
            return False
        return True

    def release(self) -> None:
        """Let another dispatcher be the active one."""
        if isinstance(self._holder, int):
            os.close(self._holder)
            return
        with suppress(SQLAlchemyError):  # the server may notice only later that a connection is closed
            self._holder.execute(text("SELECT pg_advisory_unlock_all()"))
        self._holder.close()


def upsert(session: Session, table: type[DeclarativeBase], values: dict[str, Any], **changes: Any) -> None:
    """Insert a row; where its primary key exists, set `changes` instead, by default all the values."""
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    keys = [column.name for column in table.__table__.primary_key]
    statement = insert(table).values(values)
    session.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes or values))


def sqlite_module() -> ModuleType:
    """Choose the interpreter's SQLite where it is safe, the bundled one where it is not."""
    version = sqlite3.sqlite_version_info
    if version >= SAFE_SQLITE or any(version[:2] == fixed[:2] and version >= fixed for fixed in BACK_PORTS):
        return sqlite3
    from pysqlite3 import dbapi2  # noqa: PLC0415 # never two SQLite copies on one file

    if dbapi2.sqlite_version_info < SAFE_SQLITE:
        raise RuntimeError(
            f"SQLite {dbapi2.sqlite_version} can corrupt a database: 3.51.3 or newer is needed"
        )
    return dbapi2  # type: ignore[no-any-return] # pysqlite3 ships no types


def _sqlite_engine(url: str) -> Engine:
    database = make_url(url).database
    if not database or database == ":memory:":
        raise ValueError("a SQLite database of several processes must be a file: sqlite:///path/to/file.db")
    Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        module=sqlite_module(),
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        connect_args={"timeout": BUSY_SECONDS},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that turns into a writer can fail at once with "database is locked".
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _lock(gate: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise DatabaseUnavailable("another writer holds the database") from None
            # A blocking flock cannot be given up when its holder hangs.
            time.sleep(random.uniform(0.0005, 0.002))  # noqa: S311


def _lock_file(path: str) -> DispatcherLock | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return DispatcherLock(handle)


def _advisory_lock(engine: Engine, idle_seconds: int) -> DispatcherLock | None:
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.detach()  # the lock is the connection's: it must not go back to the pool with it
    connection.execute(text(f"SET idle_session_timeout = '{idle_seconds}s'"))
    if connection.scalar(text("SELECT pg_try_advisory_lock(hashtext('normserve dispatcher'))")):
        return DispatcherLock(connection)
    connection.close()
    return None


@contextmanager
def told_apart() -> Iterator[None]:
    """Turn what the driver raises for a missing or full database into errors that a client can be told."""
    try:
        yield
    except PoolTimeoutError as error:
        raise DatabaseUnavailable("every connection to the database is in use") from error
    except (OperationalError, InterfaceError) as error:
        raise _reason(error) from error
    except DBAPIError as error:
        if error.connection_invalidated or getattr(error.orig, "sqlstate", None) in NOT_READY:
            raise _reason(error) from error
        raise


def _reason(error: DBAPIError) -> NormserveError:
    message = str(error.orig)
    if "disk is full" in message or "No space left" in message or "could not extend file" in message:
        return StorageFull("the database has no room left; try again when there is")
    why = WAITED.get(str(getattr(error.orig, "sqlstate", "")), "the database cannot be reached")
    return DatabaseUnavailable(f"{why}; try again soon")
