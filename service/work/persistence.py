"""What a task stores, through outages: a transaction is run again, and its jobs send heartbeats."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TypeVar

from sqlalchemy.orm import Session

from service.errors import DatabaseUnavailable, StorageFull
from service.failpoints import reach
from service.store import clock
from service.store.database import Database
from service.store.spans import record_heartbeat
from service.work.retries import Outage, retry

HEARTBEAT_SECONDS = 10.0
LONGEST_LOAD_SECONDS = 1800.0
"""A data set that takes longer to load counts as one that hangs."""

Result = TypeVar("Result")


def persist(
    database: Database,
    change: Callable[[Session], Result],
    name: str,
    attempts: Mapping[int, int] | None = None,
) -> Result:
    """Run a transaction; while the database is away or full, wait and run it again from its start.

    On a full disk, `attempts` by job key send heartbeats meanwhile. The failpoints around the transaction
    are before-`name` and after-`name`.
    """

    def attempt() -> Result:
        reach(f"before-{name}")
        with database.writing() as session:
            result = change(session)
        reach(f"after-{name}")
        return result

    def wait(error: Outage, seconds: float) -> None:
        if isinstance(error, StorageFull):
            _send_heartbeat(database, attempts or {})  # it may fit where a span does not
        time.sleep(seconds)  # nothing announces that the database is back

    return retry(attempt, wait)


@contextmanager
def heartbeats(database: Database, attempts: Mapping[int, int]) -> Iterator[None]:
    """Send heartbeats of these attempts, by job key, while their data set is loaded or downloaded."""
    loaded = threading.Event()

    def send() -> None:
        for _ in range(int(LONGEST_LOAD_SECONDS / HEARTBEAT_SECONDS)):
            if loaded.wait(HEARTBEAT_SECONDS):
                return
            _send_heartbeat(database, attempts)

    sending = threading.Thread(target=send, name="heartbeats", daemon=True)
    sending.start()
    try:
        yield
    finally:
        loaded.set()
        sending.join()


def _send_heartbeat(database: Database, attempts: Mapping[int, int]) -> None:
    with suppress(DatabaseUnavailable, StorageFull), database.writing() as session:
        record_heartbeat(session, attempts, clock.now(session))
