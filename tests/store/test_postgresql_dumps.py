"""PostgreSQL's programs: found, told no secret where others see it, and undone when they fail half way."""

import shutil
from pathlib import Path

import pytest

from service.errors import BackupRefused
from service.store import postgresql_dumps
from service.store.backups import back_up, restore
from service.store.database import Database
from service.store.invariants import check_invariants
from tests.store.rows import ids_of, submit


def program(folder: Path, name: str, script: str) -> None:
    """A program of this name that stands before the real one."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@host:5433/base?sslmode=require&application_name=mine",
        "postgresql://me@host:5433/base?password=s3cret&sslmode=require",
    ],
)
def test_a_password_is_never_on_a_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    program(
        tmp_path, "pg_dump", f'echo "$@" > {tmp_path}/arguments; echo "$PGPASSWORD" > {tmp_path}/password'
    )
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    postgresql_dumps.dump(Database(url), tmp_path / "backup")

    arguments = (tmp_path / "arguments").read_text()
    options = "host=host dbname=base user=me port=5433 sslmode=require"
    assert arguments.endswith(f" --no-password --dbname={options}\n")
    assert ("s3cret" in arguments, (tmp_path / "password").read_text()) == (False, "s3cret\n")


def test_what_a_program_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "pg_dump", "echo first >&2; echo pg_dump: error: no room >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    with pytest.raises(BackupRefused, match=r"^pg_dump: error: no room$"):
        postgresql_dumps.dump(Database("postgresql://host/base"), tmp_path / "backup")


def test_missing_programs_are_named_with_their_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgresql_dumps, "INSTALLED", str(tmp_path))

    with pytest.raises(BackupRefused, match=r"pg_dump is missing: .* postgresql-client"):
        postgresql_dumps.dump(Database("postgresql://host/base"), tmp_path / "backup")


def test_the_newest_programs_are_used_where_none_are_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9.6", "15", "16"):
        (tmp_path / version / "bin").mkdir(parents=True)
        program(tmp_path / version / "bin", "pg_dump", f"echo {version} >&2; exit 1")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(postgresql_dumps, "INSTALLED", f"{tmp_path}/*/bin")

    with pytest.raises(BackupRefused, match=r"^16$"):
        postgresql_dumps.dump(Database("postgresql://host/base"), tmp_path / "backup")


def test_a_restore_that_ends_half_way_changes_nothing(
    postgresql_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, real = tmp_path / "backup", shutil.which("pg_restore")
    back_up(postgresql_database, file)
    submit(postgresql_database)
    half = f'case "$*" in --no-owner*) {real} "$@" | head -c 4000; exit 1;; *) exec {real} "$@";; esac'
    program(tmp_path, "pg_restore", half)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    with pytest.raises(BackupRefused, match="to its end"):
        restore(postgresql_database, file, overwrite=True)

    with postgresql_database.reading() as session:
        assert session.connection().exec_driver_sql("SELECT COUNT(*) FROM jobs").scalar() == 1
    assert check_invariants(postgresql_database) == []


def test_what_else_stands_in_the_database_stays(postgresql_database: Database, tmp_path: Path) -> None:
    with postgresql_database.writing() as session:
        session.connection().exec_driver_sql("CREATE TABLE of_another AS SELECT 7 AS number")
    back_up(postgresql_database, tmp_path / "backup")

    restore(postgresql_database, tmp_path / "backup")

    with postgresql_database.reading() as session:
        assert session.connection().exec_driver_sql("SELECT number FROM of_another").scalar() == 7


def test_clients_of_a_newer_release_than_the_server_can_restore(
    postgresql_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(postgresql_database)
    back_up(postgresql_database, tmp_path / "backup")
    real = postgresql_dumps._program("pg_restore")
    newer = 'case "$*" in *--file=-*) echo "SET transaction_timeout = 0;";; esac'
    program(tmp_path, "pg_restore", f'{newer}; exec {real} "$@"')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert restore(postgresql_database, tmp_path / "backup", overwrite=True) == []

    assert ids_of(postgresql_database) == {job.id}
