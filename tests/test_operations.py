"""The commands that look after a database, as an operator types them."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import inspect

from service.store import jobs, schema
from service.store.all_tables import TABLES
from service.store.database import Database
from service.store.tables import Job
from tests.process import completed
from tests.store.rows import at, ids_of, reread, submit

pytestmark = pytest.mark.slow

UNDERSTOOD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
Command = Callable[..., tuple[int, str, str]]


def commands(database_url: str, folder: Path) -> Command:
    """Run commands on a database; each returns its exit code and what it said."""
    environment = {**os.environ, "NORMSERVE_DATABASE_URL": database_url, "NORMSERVE_DATA_DIR": str(folder)}

    def run(*arguments: str | Path, typed: str = "", **settings: str) -> tuple[int, str, str]:
        done = completed(arguments, {**environment, **settings}, typed)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def normserve(database_url: str, tmp_path: Path) -> Command:
    """Commands on a fresh database of each kind."""
    return commands(database_url, tmp_path)


@pytest.fixture
def normserve_on_sqlite(sqlite_url: str, tmp_path: Path) -> Command:
    """Commands whose words do not depend on the database."""
    return commands(sqlite_url, tmp_path)


def cancel_old_job(database: Database) -> None:
    job = submit(database)
    with database.writing() as session:
        jobs.cancel_if_not_ended(session, job.id, at(1))


def test_prune_says_what_it_would_delete_and_then_what_it_has(database: Database, normserve: Command) -> None:
    cancel_old_job(database)
    rest = "1 job, 0 metric rows and 0 bytes of weights"

    code, would, _ = normserve("prune", "--older-than", "0s", "--dry-run")
    assert (code, UNDERSTOOD.sub("THEN", would)) == (0, f"would delete what ended before THEN: {rest}\n")
    assert normserve("prune", "--older-than", "0s", "--yes") == (0, f"deleted {rest}\n", "")
    assert normserve("prune", "--older-than", "0s", "--yes")[1].startswith("deleted 0 jobs")


@pytest.mark.parametrize(("typed", "left"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("", 1)], ids=repr)
def test_prune_asks_before_it_deletes(
    sqlite: Database, normserve_on_sqlite: Command, typed: str, left: int
) -> None:
    cancel_old_job(sqlite)

    code, asked, _ = normserve_on_sqlite("prune", "--older-than", "1m", typed=typed)

    question = "ended before THEN: 1 job, 0 metric rows and 0 bytes of weights; delete? [y/N]: "
    assert UNDERSTOOD.sub("THEN", asked).startswith(question)
    assert (code, len(ids_of(sqlite))) == (left, left)


def test_nobody_who_could_be_asked_is_named_the_option(
    sqlite: Database, normserve_on_sqlite: Command
) -> None:
    cancel_old_job(sqlite)

    _, _, said = normserve_on_sqlite("prune", "--older-than", "1m")

    assert said == "normserve: nothing was deleted; --yes deletes without asking\n"


def test_prune_does_not_ask_where_there_is_nothing_to_delete(normserve_on_sqlite: Command) -> None:
    assert normserve_on_sqlite("prune", "--older-than", "1m") == (
        0,
        "deleted 0 jobs, 0 metric rows and 0 bytes of weights\n",
        "",
    )


def test_a_wrong_duration_is_one_line(normserve_on_sqlite: Command) -> None:
    said = "must be a whole number up to 99999 and a unit, s, m, h, d or w, such as 30d"

    assert normserve_on_sqlite("prune", "--older-than", "soon") == (
        2,
        "",
        f"normserve: --older-than {said}\n",
    )


def test_a_database_that_is_not_there_is_not_made(normserve_on_sqlite: Command, tmp_path: Path) -> None:
    missing = tmp_path / "missing.db"

    code, _, said = normserve_on_sqlite(
        "prune", "--older-than", "0s", NORMSERVE_DATABASE_URL=f"sqlite:///{missing}"
    )

    assert (code, said, missing.exists()) == (1, f"normserve: there is no database {missing}\n", False)


def test_a_backup_has_every_table(database: Database) -> None:
    assert {*inspect(database.engine).get_table_names()} - {"sqlite_sequence"} == {*TABLES}


def test_a_backup_is_made_and_put_back(
    database: Database, normserve: Command, another_url: Callable[[], str], tmp_path: Path
) -> None:
    file, job, url = tmp_path / "backup", submit(database), another_url()

    made = normserve("backup", file)
    put_back = normserve("restore", file, NORMSERVE_DATABASE_URL=url)

    restored = Database(url)
    found = reread(restored, job)
    restored.close()
    assert made == (0, f"{file}: {file.stat().st_size:,} bytes\n", "")
    assert put_back == (0, f"{file} is restored\n", "")
    assert (found.id, found.status) == (job.id, "queued")


def test_a_restore_that_is_refused_is_one_line(
    database: Database, normserve: Command, tmp_path: Path
) -> None:
    submit(database)
    normserve("backup", tmp_path / "backup")

    assert normserve("restore", tmp_path / "backup") == (
        1,
        "",
        "normserve: the database has jobs, which --overwrite would replace\n",
    )


def test_what_is_wrong_in_a_restored_backup_is_told(
    database: Database, normserve: Command, tmp_path: Path
) -> None:
    job = submit(database)
    with database.writing() as session:
        session.get_one(Job, job.key).attempt = 3
    normserve("backup", tmp_path / "backup")
    database.close()

    assert normserve("restore", tmp_path / "backup", "--overwrite") == (
        1,
        "",
        f"{job.id}: is in attempt 3, its transitions in 0\n"
        "normserve: the backup is restored, but it violates the rules above\n",
    )


def test_migrate_says_from_which_revision_to_which(sqlite: Database, normserve_on_sqlite: Command) -> None:
    schema.downgrade(sqlite.engine, "0010")
    sqlite.close()

    assert normserve_on_sqlite("migrate") == (
        0,
        f"the schema is updated from revision 0010 to {schema.newest()}\n",
        "",
    )
