"""The choice of SQLite, its pragmas, and the gate of its writers."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text

from service.errors import DatabaseUnavailable, DatabaseUnusable
from service.store import counters
from service.store.database import Database
from service.store.sqlite_engine import sqlite_module
from tests.store.rows import submit


def test_a_sqlite_file_keeps_what_was_committed(sqlite: Database) -> None:
    with sqlite.reading() as session:
        pragmas = [
            session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

    assert pragmas == ["wal", 2, 1]


def test_an_unsafe_sqlite_is_replaced_by_the_bundled_one() -> None:
    version = tuple(map(int, sqlite_module().sqlite_version.split(".")))

    assert version >= (3, 51, 3)


def test_a_safe_sqlite_of_the_interpreter_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 50, 7))

    assert sqlite_module() is sqlite3


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUnusable, match="must be a file"):
        Database(url)


def test_a_held_write_lock_is_given_up_with_a_reason(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.sqlite_engine.BUSY_SECONDS", 0.05)

    with sqlite.writing() as session:
        counters.count(session, "held")
        with pytest.raises(DatabaseUnavailable, match="another writer"):
            submit(sqlite)


def test_a_writer_has_the_lock_from_its_first_read(sqlite: Database) -> None:
    connect, locked = sqlite_module().connect, sqlite_module().OperationalError

    with closing(connect(str(sqlite.url.database), timeout=0)) as other, sqlite.writing() as session:
        counters.read(session)
        with pytest.raises(locked, match="locked"):
            other.execute("BEGIN IMMEDIATE")
