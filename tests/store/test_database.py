"""Transactions, locks and the choice of SQLite."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from service.errors import DatabaseUnavailable
from service.store import counters
from service.store.database import Database, sqlite_module
from tests.process import until
from tests.store.rows import submit


def test_what_raises_in_a_transaction_is_undone(database: Database) -> None:
    with pytest.raises(KeyError), database.writing() as session:
        counters.count(session, "undone")
        raise KeyError

    with database.reading() as session:
        assert counters.read(session) == {}


def test_writers_at_once_lose_no_update(database: Database) -> None:
    def add() -> None:
        for _ in range(20):
            with database.writing() as session:
                counters.count(session, "added")

    threads = [threading.Thread(target=add) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    with database.reading() as session:
        assert counters.read(session) == {"added": 160}


def test_only_one_dispatcher_holds_the_lock(database: Database) -> None:
    first = database.lock_dispatcher()
    assert first is not None
    assert database.lock_dispatcher() is None

    first.release()

    again = database.lock_dispatcher()
    assert again is not None
    again.release()


def test_a_lock_that_is_held_says_so(database: Database) -> None:
    lock = database.lock_dispatcher()
    assert lock is not None

    assert lock.is_held()

    lock.release()


def test_a_lock_of_postgresql_is_lost_with_its_connection(postgresql_database: Database) -> None:
    lock = postgresql_database.lock_dispatcher()
    assert lock is not None

    with postgresql_database.reading() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )

    assert not lock.is_held()
    lock.release()


def test_a_lock_of_postgresql_is_lost_when_nobody_asks_for_it_any_more(
    postgresql_database: Database,
) -> None:
    """The dispatcher asks every other second, but for one that is paused."""
    lock = postgresql_database.lock_dispatcher(idle_seconds=1)
    assert lock is not None

    other = until(postgresql_database.lock_dispatcher, "the lock")

    assert other is not None
    assert not lock.is_held()
    lock.release()
    other.release()


def test_the_lock_of_a_process_that_died_is_free(database: Database, database_url: str) -> None:
    code = (
        "import os; from service.store.database import Database\n"
        f"lock = Database({database_url!r}).lock_dispatcher(); assert lock; os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)

    lock = database.lock_dispatcher()

    assert lock is not None
    lock.release()


def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"postgresql://nobody@/none?host={tmp_path}")

    with pytest.raises(DatabaseUnavailable), database.reading() as session:
        session.execute(text("SELECT 1"))


def test_a_database_whose_folder_is_gone_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/gone/normserve.db")
    (tmp_path / "gone").rmdir()

    with pytest.raises(DatabaseUnavailable, match="folder"):
        submit(database)


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
    with pytest.raises(ValueError, match="must be a file"):
        Database(url)


def test_a_held_write_lock_is_given_up_with_a_reason(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.database.BUSY_SECONDS", 0.05)

    with sqlite.writing() as session:
        counters.count(session, "held")
        with pytest.raises(DatabaseUnavailable, match="another writer"):
            submit(sqlite)
