"""Errors of the database drivers, translated into ours."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from service.errors import DatabaseUnavailable, NormserveError, StorageFull
from service.store.refusals import refusal_of, words_of

# SQLSTATE of PostgreSQL; the text of its messages depends on the server's language.
DISK_FULL = "53100"


@contextmanager
def translate_driver_errors() -> Iterator[None]:
    """Raise DatabaseUnavailable or StorageFull where the driver reports a missing or full database."""
    try:
        yield
    except PoolTimeoutError as error:
        raise DatabaseUnavailable("every connection to the database is in use; try again soon") from error
    except DBAPIError as error:
        translated = _translate(error)
        if translated is None:
            raise
        raise translated from error


def _translate(error: DBAPIError) -> NormserveError | None:
    """Return our error; None where the statement is to blame."""
    if _sqlstate(error) == DISK_FULL or _sqlite_code(error) == sqlite3.SQLITE_FULL:
        return StorageFull("the database has no room left; try again when there is")
    words = words_of(error.orig)
    refusal = refusal_of(error.orig, while_connecting=error.statement is None)
    if refusal is not None:
        return refusal.error(refusal.detail, words)
    if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
        return DatabaseUnavailable("the database cannot be reached; try again soon", words)
    return None


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _sqlite_code(error: DBAPIError) -> int | None:
    return getattr(error.orig, "sqlite_errorcode", None)
