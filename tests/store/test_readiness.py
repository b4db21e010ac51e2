"""A process starts only on a database that it can work with."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from service.errors import DatabaseUnusable
from service.store import schema
from service.store.database import Database
from service.store.readiness import require_usable
from tests.fixtures import fresh_database
from tests.pgbouncer import pooler


def through(pooler_url: str, url: str) -> Database:
    return Database(make_url(pooler_url).set(database=make_url(url).database))


@pytest.fixture(scope="module")
def session_pooler(postgresql_url: str) -> Iterator[str]:
    with pooler(postgresql_url, "session") as url:
        yield url


@pytest.fixture
def pooled(session_pooler: str, postgresql_url: str) -> Iterator[Database]:
    """A migrated database through PgBouncer, which gives each client a session."""
    database = through(session_pooler, fresh_database(postgresql_url))
    yield database
    database.close()


def test_a_database_of_this_release_is_usable(database: Database) -> None:
    require_usable(database)


def test_a_database_without_a_schema_is_usable(unmigrated_url: str) -> None:
    database = Database(unmigrated_url)

    require_usable(database)

    database.close()


def test_a_schema_of_a_newer_release_is_refused(database: Database) -> None:
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(DatabaseUnusable, match=r"newer than this release.*9999"):
        require_usable(database)
    with pytest.raises(DatabaseUnusable, match="newer than this release"):
        schema.upgrade(database.engine)


@pytest.mark.parametrize("more", ["", "server_round_robin = 1"], ids=["last", "in turn"])
@pytest.mark.parametrize("pool_mode", ["transaction", "statement"])
def test_a_pooler_that_shares_sessions_is_refused(postgresql_url: str, pool_mode: str, more: str) -> None:
    with pooler(postgresql_url, pool_mode, more) as url:
        database = through(url, fresh_database(postgresql_url))

        with pytest.raises(DatabaseUnusable, match="pool_mode = session"):
            require_usable(database)

        database.close()


def test_a_pooler_that_shares_is_noticed_while_others_use_it(postgresql_url: str) -> None:
    """It then has sessions that are idle, and gives them out in turn."""
    with pooler(postgresql_url, "transaction", "server_round_robin = 1") as url:
        database = through(url, fresh_database(postgresql_url))
        others = [database.engine.raw_connection() for _ in range(7)]
        for other in others:
            other.cursor().execute("SELECT 1")  # in a transaction each, so that there are seven sessions
        for other in others:
            other.rollback()

        with pytest.raises(DatabaseUnusable, match="pool_mode = session"):
            require_usable(database)

        for other in others:
            other.close()
        database.close()


def test_a_pooler_of_sessions_is_usable(pooled: Database) -> None:
    require_usable(pooled)


def test_a_pooler_of_sessions_keeps_the_lock_of_the_dispatcher(pooled: Database) -> None:
    lock = pooled.lock_dispatcher()
    assert lock is not None

    assert pooled.lock_dispatcher() is None

    lock.release()


def test_our_settings_are_in_force_behind_a_pooler(pooled: Database) -> None:
    with pooled.reading() as session:
        assert session.scalar(text("SHOW statement_timeout")) == "7s"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    database = Database(f"sqlite:///{tmp_path}/file/data/normserve.db")

    with pytest.raises(DatabaseUnusable, match=r"cannot be made: set NORMSERVE_DATA_DIR.*Not a directory"):
        require_usable(database)

    database.close()


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/data/normserve.db")
    require_usable(database)
    database.close()
    shutil.rmtree(tmp_path / "data")

    with pytest.raises(DatabaseUnusable, match="cannot be written to: let this user write it"):
        require_usable(database)

    database.close()
