"""Errors of the drivers when the database is missing or full."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import TextClause, text

from service.errors import DatabaseUnavailable, StorageFull
from service.store import metrics
from service.store.database import Database
from service.store.readiness import require_usable
from tests.store.rows import metric, submit


def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"postgresql://nobody@/none?host={tmp_path}")

    with pytest.raises(DatabaseUnavailable), database.reading() as session:
        session.execute(text("SELECT 1"))


def test_a_database_whose_folder_is_gone_is_unavailable(tmp_path: Path) -> None:
    """It is not made again: the disk that it is on may come back."""
    database = Database(f"sqlite:///{tmp_path}/gone/normserve.db")
    require_usable(database)
    database.close()
    shutil.rmtree(tmp_path / "gone")

    with pytest.raises(DatabaseUnavailable, match="folder"):
        submit(database)


GERMAN = "konnte Datei nicht erweitern: Auf dem Gerät ist kein Speicherplatz mehr verfügbar"


def raising(sqlstate: str, message: str) -> TextClause:
    return text(f"DO $$ BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = '{sqlstate}'; END $$")


def test_a_full_disk_of_postgresql_is_known_in_any_language(postgresql_database: Database) -> None:
    with pytest.raises(StorageFull), postgresql_database.writing() as session:
        session.execute(raising("53100", GERMAN))


def test_a_disk_that_copy_fills_is_full(postgresql_database: Database) -> None:
    job = submit(postgresql_database)
    with postgresql_database.writing() as session:
        session.execute(
            text(
                "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION '{GERMAN}' USING ERRCODE = '53100'; END $$"
            )
        )
        session.execute(
            text("CREATE TRIGGER fill BEFORE INSERT ON metrics FOR EACH ROW EXECUTE FUNCTION fill()")
        )

    with pytest.raises(StorageFull), postgresql_database.writing() as session:
        metrics.add(session, job.key, [metric(1)])


def test_words_do_not_make_a_disk_full(postgresql_database: Database) -> None:
    with pytest.raises(DatabaseUnavailable), postgresql_database.writing() as session:
        session.execute(raising("57014", "the disk is full: No space left, could not extend file"))


def test_a_sqlite_file_that_cannot_grow_is_full(sqlite: Database) -> None:
    with pytest.raises(StorageFull), sqlite.writing() as session:
        session.execute(text("PRAGMA max_page_count = 1"))  # no more than it has
        session.execute(text("CREATE TABLE more AS SELECT zeroblob(1000000)"))
