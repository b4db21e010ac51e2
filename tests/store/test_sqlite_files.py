"""Backups of a SQLite file: it is replaced only while nobody has it open, and never with another's log."""

from pathlib import Path

import pytest

from service.errors import BackupRefused
from service.store.backups import back_up, restore
from service.store.database import Database
from service.store.invariants import check_invariants
from tests.store.rows import ids_of, submit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def test_a_database_is_not_overwritten_by_its_own_backup(sqlite: Database) -> None:
    submit(sqlite)

    with pytest.raises(BackupRefused, match="the database itself"):
        back_up(sqlite, Path(sqlite.url.database or ""), overwrite=True)

    assert check_invariants(sqlite) == []


@pytest.mark.slow
def test_a_file_is_not_replaced_while_others_have_it_open(sqlite: Database, file: Path) -> None:
    job = submit(sqlite)
    back_up(sqlite, file)
    other = Database(str(sqlite.url))

    with pytest.raises(BackupRefused, match="in use"):
        restore(other, file, overwrite=True)

    assert ids_of(other) == ids_of(sqlite) == {job.id}
    assert list(file.parent.glob("*.restored*")) == []
    other.close()


def test_a_file_that_cannot_be_read_is_replaced_only_when_told_to(sqlite: Database, file: Path) -> None:
    job = submit(sqlite)
    back_up(sqlite, file)
    sqlite.close()
    Path(sqlite.url.database or "").write_bytes(b"no database" * 1000)

    with pytest.raises(BackupRefused, match="cannot be read"):
        restore(sqlite, file)
    assert restore(sqlite, file, overwrite=True) == []
    assert ids_of(sqlite) == {job.id}


def test_the_log_of_a_file_that_is_gone_is_not_taken_for_that_of_its_backup(
    sqlite: Database, file: Path
) -> None:
    job, gone = submit(sqlite), Path(sqlite.url.database or "")
    back_up(sqlite, file)
    submit(sqlite)
    log = gone.with_name("normserve.db-wal")
    left = log.read_bytes()
    sqlite.close()
    gone.unlink()
    log.write_bytes(left)

    assert restore(sqlite, file) == []
    assert ids_of(sqlite) == {job.id}


def test_what_a_killed_restore_has_left_is_written_over(sqlite: Database, file: Path) -> None:
    job = submit(sqlite)
    back_up(sqlite, file)
    for suffix in ("", "-wal"):
        file.with_name(f"normserve.db.restored{suffix}").write_bytes(b"half of it")

    assert restore(sqlite, file, overwrite=True) == []
    assert ids_of(sqlite) == {job.id}


def test_a_restore_leaves_nothing_beside_the_database(sqlite: Database, file: Path) -> None:
    submit(sqlite)
    back_up(sqlite, file)

    restore(sqlite, file, overwrite=True)

    sqlite.close()
    beside = {path.name for path in file.parent.glob("normserve.db*")}
    assert beside == {"normserve.db", "normserve.db.gate", "normserve.db.dispatcher"}
