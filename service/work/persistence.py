"""What a task stores, through outages: a transaction is run again, and its jobs show that they are well."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TypeVar

import structlog
from sqlalchemy.orm import Session

from service.errors import DatabaseUnavailable, StorageFull
from service.failpoints import reach
from service.store.database import Database
from service.store.spans import show_life

log = structlog.get_logger()

LONGEST_WAIT_SECONDS = 5.0
LIFE_SECONDS = 10.0
LONGEST_LOAD_SECONDS = 1800.0
"""After so long a data set that still does not come counts as one that hangs."""

Answer = TypeVar("Answer")


def persist(
    database: Database,
    change: Callable[[Session], Answer],
    name: str,
    attempts: Mapping[int, int] | None = None,
) -> Answer:
    """Run a transaction; while the database is away or full, wait and run it again from its start.

    `attempts`, by job key, are shown to be well meanwhile. The failpoints around it have its name.
    """
    wait = 0.1
    while True:
        try:
            reach(f"before-{name}")
            with database.writing() as session:
                answer = change(session)
            reach(f"after-{name}")
            return answer
        except (DatabaseUnavailable, StorageFull) as error:
            log.warning("waiting for the database", reason=error.detail, seconds=wait)
            if isinstance(error, StorageFull):
                _show_life(database, attempts or {})  # where a span has no room, this may have
            time.sleep(wait)  # nothing can tell us that the database is back
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)


@contextmanager
def showing_life(database: Database, attempts: Mapping[int, int]) -> Iterator[None]:
    """Show that these attempts are well while their data set is loaded, for it may be downloaded."""
    loaded = threading.Event()

    def show() -> None:
        for _ in range(int(LONGEST_LOAD_SECONDS / LIFE_SECONDS)):
            if loaded.wait(LIFE_SECONDS):
                return
            _show_life(database, attempts)

    showing = threading.Thread(target=show, daemon=True)
    showing.start()
    try:
        yield
    finally:
        loaded.set()
        showing.join()


def _show_life(database: Database, attempts: Mapping[int, int]) -> None:
    with suppress(DatabaseUnavailable, StorageFull), database.writing() as session:
        show_life(session, attempts, datetime.now(UTC))
