"""One active dispatcher for a database, whatever happens to its process or its connection."""

import subprocess
import sys

from sqlalchemy import text

from service.store.database import Database
from tests.process import until


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
    """A dispatcher that is not paused asks every other second."""
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
