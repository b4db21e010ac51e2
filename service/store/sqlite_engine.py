"""Connections to a SQLite file, by a SQLite that is safe, and the gate of its writers."""

import fcntl
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event

from service.errors import DatabaseUnavailable, DatabaseUnusable

SAFE_SQLITE = (3, 51, 3)  # older versions can corrupt a WAL database, except for two back-ports
BACK_PORTS = ((3, 50, 7), (3, 44, 6))
BUSY_SECONDS = 10


def sqlite_module() -> ModuleType:
    """Return the interpreter's sqlite3 where its SQLite is safe, else pysqlite3, which bundles its own."""
    version = sqlite3.sqlite_version_info
    if version >= SAFE_SQLITE or any(version[:2] == fixed[:2] and version >= fixed for fixed in BACK_PORTS):
        return sqlite3
    from pysqlite3 import dbapi2  # noqa: PLC0415 # never two SQLite copies on one file

    if dbapi2.sqlite_version_info < SAFE_SQLITE:
        raise RuntimeError(
            f"SQLite {dbapi2.sqlite_version} can corrupt a database: 3.51.3 or newer is needed"
        )
    return dbapi2  # type: ignore[no-any-return] # pysqlite3 ships no types


def sqlite_engine(url: URL, connections: int) -> Engine:
    """Make an engine with a pool of so many connections; the first one makes the folder of the file.

    Raises DatabaseUnusable for a database in memory.
    """
    if not url.database or url.database == ":memory:":
        raise DatabaseUnusable(
            "a SQLite database of several processes must be a file: sqlite:///path/to/file.db"
        )
    engine = create_engine(
        url,
        module=sqlite_module(),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        hide_parameters=True,  # an error in a log must not show what a client sent
        json_deserializer=orjson.loads,
        connect_args={} if "timeout" in url.query else {"timeout": BUSY_SECONDS},
    )
    event.listen(engine, "do_connect", lambda *_: _make_folder(str(url.database)))
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


@contextmanager
def write_gate(url: URL, patience_seconds: float | None = None) -> Iterator[None]:
    """Let the writers of a file in one by one: SQLite's own busy handler polls, and starves some of them.

    Raises DatabaseUnavailable after `patience_seconds`, by default 10.
    """
    gate = open_beside(url, "gate")
    try:
        _lock(gate, time.monotonic() + (BUSY_SECONDS if patience_seconds is None else patience_seconds))
        yield
    finally:
        os.close(gate)


def open_beside(url: URL, suffix: str) -> int:
    """Open a file of locks beside the database; raise DatabaseUnusable where that cannot be."""
    _make_folder(str(url.database))
    try:
        return os.open(f"{url.database}.{suffix}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise DatabaseUnusable(
            "the folder of the database cannot be written to: let this user write it, or set "
            "NORMSERVE_DATA_DIR to another",
            str(error),
        ) from error


@cache
def _make_folder(file: str) -> None:
    """Make the folder of a file, but not before the file: a command that fails early leaves none behind.

    It is made once per process. One that is gone later may be on a disk that comes back with the database.
    """
    try:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnusable(
            "the folder of the database cannot be made: set NORMSERVE_DATA_DIR to one that is writable",
            str(error),
        ) from error


def _lock(gate: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise DatabaseUnavailable("another writer holds the database; try again soon") from None
            # A blocking flock has no timeout, and the holder may hang.
            time.sleep(random.uniform(0.0005, 0.002))  # noqa: S311


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    # On macOS, fsync leaves data in the drive's cache; elsewhere fullfsync changes nothing.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # A deferred transaction that turns into a writer can fail at once with "database is locked".
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
