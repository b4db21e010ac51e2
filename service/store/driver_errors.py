"""Errors of the database drivers, translated into ours."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from service.errors import DatabaseUnavailable, NormserveError, StorageFull
from service.store.postgresql_engine import STATEMENT_SECONDS

# SQLSTATEs of PostgreSQL; the text of its messages depends on the server's language.
DISK_FULL = "53100"
NOT_READY = {
    "42P01",  # no such table: the schema is not migrated
    "25006",  # read-only, after a failover
}
WAITED = {
    "57014": f"the database took more than {STATEMENT_SECONDS} seconds",
    "55P03": "another transaction holds what this one needs",
}


@contextmanager
def translate_driver_errors() -> Iterator[None]:
    """Raise DatabaseUnavailable or StorageFull where the driver reports a missing or full database."""
    try:
        yield
    except PoolTimeoutError as error:
        raise DatabaseUnavailable("every connection to the database is in use") from error
    except (OperationalError, InterfaceError) as error:
        raise _translated(error) from error
    except DBAPIError as error:
        if error.connection_invalidated or _sqlstate(error) in NOT_READY:
            raise _translated(error) from error
        raise


def _translated(error: DBAPIError) -> NormserveError:
    if _sqlstate(error) == DISK_FULL or _sqlite_code(error) == sqlite3.SQLITE_FULL:
        return StorageFull("the database has no room left; try again when there is")
    why = WAITED.get(_sqlstate(error), "the database cannot be reached")
    return DatabaseUnavailable(f"{why}; try again soon")


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _sqlite_code(error: DBAPIError) -> int | None:
    return getattr(error.orig, "sqlite_errorcode", None)
