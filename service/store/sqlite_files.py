"""A SQLite database as a file: copied while it is in use, replaced while nobody uses it."""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from service.errors import BackupRefused
from service.store import schema
from service.store.database import Database
from service.store.sqlite_engine import sqlite_module

WAIT_SECONDS = 2
BESIDE = ("-wal", "-shm", "-journal")


def path_of(database: Database) -> Path:
    """Return the path of the file."""
    return Path(database.url.database or "").resolve()


def is_of(database: Database, file: Path) -> bool:
    """Return whether an existing file is the database itself."""
    return database.is_sqlite and path_of(database).exists() and file.samefile(path_of(database))


def dump(database: Database, target: Path) -> None:
    """Write what is committed to an empty file, while others read and write."""
    if not path_of(database).exists():
        raise BackupRefused(f"there is no database {path_of(database)}")
    with (
        _refusing(f"{path_of(database)} cannot be copied"),
        closing(_connect(path_of(database))) as connection,
    ):
        connection.execute("VACUUM INTO ?", [str(target.resolve())])


def revision_of(file: Path) -> str:
    """Return the schema revision of a file; raise BackupRefused unless it is a whole database of ours."""
    if Path(f"{file}-wal").exists():
        raise BackupRefused(f"{file} is a database in use, not a backup")
    with (
        _refusing(f"{file} is not a whole backup of a SQLite database"),
        closing(_connect(file, True)) as connection,
    ):
        # SQLite reads a truncated page as one that ends in zeros.
        if file.stat().st_size != _scalar(connection, "PRAGMA page_count") * _scalar(
            connection, "PRAGMA page_size"
        ):
            raise BackupRefused(f"{file} is truncated")
        verdict = _scalar(connection, "PRAGMA quick_check")
        if verdict != "ok":
            raise BackupRefused(f"{file} is damaged: {verdict}")
        return str(_scalar(connection, "SELECT MAX(version_num) FROM alembic_version"))


def restore(database: Database, file: Path) -> None:
    """Replace the database by a migrated copy of the backup; raise BackupRefused if it is in use."""
    path = path_of(database)
    copy = path.with_name(f"{path.name}.restored")
    _remove(copy)
    try:
        shutil.copyfile(file, copy)
        if path.exists():
            shutil.copymode(path, copy)
            with suppress(PermissionError):  # only root can give a file away, and only root needs to
                os.chown(copy, path.stat().st_uid, path.stat().st_gid)
        revision_of(copy)
        _migrate(database, copy)
        sync(copy)
        database.close()
        with _locked(path):
            for suffix in BESIDE:  # of a database that could not be read
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            copy.replace(path)
        sync(path.parent)
    finally:
        _remove(copy)


def sync(path: Path) -> None:
    """Return when a file, or the names in a folder, would survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        if sys.platform == "darwin":  # fsync leaves data in the drive's cache
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
        else:
            os.fsync(handle)
    finally:
        os.close(handle)


def _migrate(database: Database, copy: Path) -> None:
    migrated = Database(database.url.set(database=str(copy)))
    schema.upgrade(migrated.engine)
    migrated.close()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock everyone else out of the database, whose write-ahead log is then merged into the file."""
    if not path.exists():
        yield
        return
    with closing(_connect(path)) as connection:
        try:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA journal_mode=DELETE")  # refused while others have it open
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite_module().OperationalError as error:
            raise BackupRefused(f"the database is in use ({error}); stop normserve first") from error
        except sqlite_module().DatabaseError:
            pass  # it cannot be read, and is replaced
        yield


def _connect(path: Path, only_read: bool = False) -> Any:
    # Immutable: a backup may lie where no lock can be taken.
    uri = f"{path.resolve().as_uri()}?{'mode=ro&immutable=1' if only_read else 'mode=rw'}"
    return sqlite_module().connect(uri, uri=True, isolation_level=None, timeout=WAIT_SECONDS)


def _scalar(connection: Any, query: str) -> Any:
    return connection.execute(query).fetchone()[0]


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    try:
        yield
    except sqlite_module().Error as error:
        raise BackupRefused(f"{what}: {error}") from error


def _remove(copy: Path) -> None:
    for suffix in ("", ".gate", *BESIDE):
        Path(f"{copy}{suffix}").unlink(missing_ok=True)
