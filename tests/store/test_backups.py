"""Backups of both databases, made while others write, and put back whole or not at all."""

import fcntl
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from service.errors import BackupRefused
from service.store import jobs, schema
from service.store.backups import back_up, restore
from service.store.database import Database
from service.store.invariants import check_invariants
from service.store.spans import record_spans
from service.store.tables import Job
from tests.process import until
from tests.store.rows import at, claim, claimed_job, ids_of, span, submit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def another(another_url: Callable[[], str]) -> Iterator[Database]:
    database = Database(another_url())
    yield database
    database.close()


def begun(database: Database) -> Job:
    """A job that runs, with a span and a checkpoint."""
    job, claimed = claimed_job(database)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 5, {5: 0.9})], at(2))
    return job


class Writer:
    """Adds jobs and their spans, and knows those that are committed."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.committed: list[str] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.write)

    def write(self) -> None:
        while not self.stop.is_set():
            self.committed.append(begun(self.database).id)

    def __enter__(self) -> "Writer":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()


@pytest.mark.slow
def test_backups_made_while_others_write_are_whole(
    database: Database, another_url: Callable[[], str], tmp_path: Path
) -> None:
    with Writer(database) as writer:
        for number in range(4):
            until(lambda: len(writer.committed) > 5 * number, "jobs to be written")  # noqa: B023 # run at once
            committed = set(writer.committed)
            back_up(database, tmp_path / f"{number}.backup")
            restored = Database(another_url())
            assert restore(restored, tmp_path / f"{number}.backup") == []
            assert committed <= ids_of(restored)
            restored.close()

    assert check_invariants(database) == []


def test_a_restored_database_goes_on(database: Database, another: Database, file: Path) -> None:
    job = begun(database)
    back_up(database, file)
    restore(another, file)

    added = submit(another)

    with another.writing() as session:
        assert jobs.requeue_if_running(session, job.key, 1, "its worker was lost", at(3))
    resumed = claim(another, job, "second", 4)
    assert resumed is not None
    assert (resumed.step, resumed.resume_state) == (5, b"state after 5")
    assert added.key > job.key


def test_a_backup_is_its_owner_s_alone(database: Database, file: Path) -> None:
    size = back_up(database, file)

    assert (stat.S_IMODE(file.stat().st_mode), file.stat().st_size) == (0o600, size)


def test_a_folder_that_is_not_there_is_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="there is no folder"):
        back_up(database, tmp_path / "missing" / "backup")


def test_a_backup_that_is_not_there_is_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="there is no file"):
        restore(database, tmp_path / "missing")


def test_a_file_that_exists_is_kept_unless_told_otherwise(database: Database, file: Path) -> None:
    file.write_text("precious")

    with pytest.raises(BackupRefused, match="exists"):
        back_up(database, file)
    assert file.read_text() == "precious"

    back_up(database, file, overwrite=True)
    assert file.read_bytes()[:8] != b"precious"


def test_a_backup_that_fails_leaves_no_file(database: Database, file: Path) -> None:
    schema.downgrade(database.engine, "base")

    with pytest.raises(BackupRefused):
        back_up(database, file)

    assert list(file.parent.glob("backup*")) == []


def test_what_a_killed_backup_has_left_is_written_over(database: Database, file: Path) -> None:
    file.with_name("backup.partial").write_bytes(b"half of it" * 100_000)

    back_up(database, file)

    assert list(file.parent.glob("backup*")) == [file]


def test_two_backups_do_not_write_one_file(database: Database, file: Path) -> None:
    with file.with_name("backup.partial").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        with pytest.raises(BackupRefused, match="another backup"):
            back_up(database, file)

    assert file.with_name("backup.partial").exists()


def test_jobs_are_replaced_only_when_told_to(database: Database, file: Path) -> None:
    kept = submit(database)
    back_up(database, file)
    lost = submit(database)

    with pytest.raises(BackupRefused, match="has jobs"):
        restore(database, file)
    assert ids_of(database) == {kept.id, lost.id}

    assert restore(database, file, overwrite=True) == []
    assert ids_of(database) == {kept.id}


def test_nothing_is_restored_while_a_dispatcher_is_active(database: Database, file: Path) -> None:
    back_up(database, file)
    job = submit(database)
    lock = database.lock_dispatcher()
    assert lock is not None

    with pytest.raises(BackupRefused, match="a dispatcher is active"):
        restore(database, file, overwrite=True)

    lock.release()
    assert ids_of(database) == {job.id}


def truncated(whole: bytes) -> bytes:
    return whole[: len(whole) * 2 // 3]


def without_its_end(whole: bytes) -> bytes:
    return whole[:-200]


def foreign(_: bytes) -> bytes:
    return b"a letter to a friend"


def of_the_other_kind(whole: bytes) -> bytes:
    return b"PGDMP" + whole if whole.startswith(b"SQLite") else b"SQLite format 3\0" + whole


def empty(_: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [truncated, without_its_end, foreign, of_the_other_kind, empty])
def test_a_file_that_is_no_whole_backup_changes_nothing(
    database: Database, file: Path, damage: Callable[[bytes], bytes]
) -> None:
    job = begun(database)
    back_up(database, file)
    file.write_bytes(damage(file.read_bytes()))

    with pytest.raises(BackupRefused):
        restore(database, file, overwrite=True)

    assert (ids_of(database), check_invariants(database)) == ({job.id}, [])


def test_a_backup_of_a_newer_release_is_refused(database: Database, another: Database, file: Path) -> None:
    back_up(database, file)
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BackupRefused, match="9999"):
        back_up(database, file, overwrite=True)

    assert restore(another, file) == []


@pytest.mark.slow
@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004"])
def test_a_backup_of_an_older_release_is_migrated(database: Database, file: Path, revision: str) -> None:
    job = submit(database)
    schema.downgrade(database.engine, revision)
    back_up(database, file)
    schema.upgrade(database.engine)

    assert restore(database, file, overwrite=True) == []
    assert ids_of(database) == {job.id}
    with database.reading() as session:
        assert schema.current(session.connection()) == schema.newest()


def test_what_is_wrong_in_a_backup_is_told(database: Database, another: Database, file: Path) -> None:
    job = begun(database)
    with database.writing() as session:
        session.execute(text("DELETE FROM metrics WHERE step = 3"))
    back_up(database, file)

    assert restore(another, file) == [
        f"{job.id}: is running at step 5, its metrics are 4 rows of steps 1 to 5"
    ]
