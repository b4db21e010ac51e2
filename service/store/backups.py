"""Backups: a whole database in one file, written while everything runs, and restored.

A backup gets its name only when it is complete and readable; a restore replaces all or nothing.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import inspect, select
from sqlalchemy.exc import DBAPIError

from service.errors import BackupRefused, DatabaseUnusable
from service.store import postgresql_dumps, schema, sqlite_files
from service.store.database import Database
from service.store.invariants import check_invariants
from service.store.marks import WITH_MARKED
from service.store.tables import Job


def back_up(database: Database, file: Path, overwrite: bool = False) -> int:
    """Write a backup of what is committed now, readable by its owner only; return its size in bytes.

    Raises BackupRefused when the file exists, and when there is no folder for it or no database.
    """
    if file.exists() and (not overwrite or sqlite_files.is_of(database, file)):
        raise BackupRefused(
            f"{file} is the database itself" if overwrite else f"{file} exists; --overwrite would replace it"
        )
    if not file.absolute().parent.is_dir():
        raise BackupRefused(f"there is no folder {file.parent}")
    kind = sqlite_files if database.is_sqlite else postgresql_dumps
    with _partial(file) as partial:
        kind.dump(database, partial)
        _require_known(kind.revision_of(partial))
        sqlite_files.sync(partial)
        partial.replace(file)
        sqlite_files.sync(file.parent)
    return file.stat().st_size


def restore(database: Database, file: Path, overwrite: bool = False) -> list[str]:
    """Replace the database by a backup, with this release's schema; return the invariants that it violates.

    Raises BackupRefused, and changes nothing, when the file is not a whole backup, when the database is in
    use, and when it has jobs and `overwrite` is false.
    """
    if not file.is_file():
        raise BackupRefused(f"there is no file {file}")
    kind = sqlite_files if database.is_sqlite else postgresql_dumps
    _require_known(kind.revision_of(file))
    lock = database.lock_dispatcher()
    if lock is None:
        raise BackupRefused("a dispatcher is active; stop normserve first")
    try:
        if not overwrite and _has_jobs(database):
            raise BackupRefused("the database has jobs, which --overwrite would replace")
        kind.restore(database, file)
        schema.upgrade(database.engine)
        return check_invariants(database)
    finally:
        lock.release()


@contextmanager
def _partial(file: Path) -> Iterator[Path]:
    """Make an empty file that only this process writes; delete it at the end, unless it was renamed."""
    partial = file.with_name(f"{file.name}.partial")
    handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if not _is_ours(handle, partial):
            raise BackupRefused(f"another backup is writing {partial}")
        os.ftruncate(handle, 0)
        os.fchmod(handle, 0o600)
        try:
            yield partial
        finally:
            partial.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _is_ours(handle: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another backup may have finished and renamed this very file since it was opened.
        return os.path.samestat(path.stat(), os.fstat(handle))
    except (BlockingIOError, FileNotFoundError):
        return False


def _require_known(revision: str) -> None:
    if not schema.is_known(revision):
        raise BackupRefused(f"the schema of the backup, {revision}, is unknown to this release")


def _has_jobs(database: Database) -> bool:
    if database.is_sqlite and not sqlite_files.path_of(database).exists():
        return False
    try:
        with database.reading() as session:
            has_table = inspect(session.connection()).has_table("jobs")
            # A database of an older release has no marks to look at.
            found = select(Job.key).limit(1)
            return has_table and session.scalar(found, execution_options=WITH_MARKED) is not None
    except (DBAPIError, DatabaseUnusable) as error:
        raise BackupRefused("the database cannot be read; --overwrite would replace it") from error
