"""The sweeper: deletes what is old or marked as deleted, in a thread beside the dispatcher's loop."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import structlog

from service.errors import NormserveError
from service.store import clock
from service.store.database import Database
from service.store.pruning import mark_old
from service.store.sweeping import sweep_all
from service.store.vacuum import vacuum

log = structlog.get_logger()

LOOK_SECONDS = 2.0
RETENTION_SECONDS = 600.0  # between two looks for old jobs, which read the rows of all jobs
VACUUM_SHARE = 20
"""A vacuum that took a second is the last for so many."""


class Sweeper:
    """Deletes what is marked as deleted, and what ended longer ago than `retention`, if there is one.

    It also frees the room of replaced rows.
    """

    def __init__(self, database: Database, retention: timedelta | None = None) -> None:
        self.database = database
        self.retention = retention
        self.next_retention = self.next_vacuum = 0.0

    def step(self, now: float, pause: Callable[[float], object]) -> None:
        """Do what is due at this time, in seconds; `pause` is called as by `sweep_all`."""
        if self.retention is not None and now >= self.next_retention:
            self._mark_old(self.retention)
            self.next_retention = now + RETENTION_SECONDS
        sweep_all(self.database, pause)
        if now >= self.next_vacuum:
            self._vacuum(now)

    def _vacuum(self, now: float) -> None:
        began = time.monotonic()
        try:
            vacuum(self.database)
        finally:
            self.next_vacuum = now + VACUUM_SHARE * (time.monotonic() - began)

    def _mark_old(self, age: timedelta) -> None:
        with self.database.reading() as session:
            before = clock.now(session) - age
        found = mark_old(self.database, before)
        if found.jobs:
            log.info("old jobs deleted", ended_before=before.isoformat(), **found._asdict())


def start(database: Database, stop: threading.Event, retention: timedelta | None = None) -> threading.Thread:
    """Sweep from now on, until asked to stop; a transaction that is interrupted is rolled back."""
    sweeping = Sweeper(database, retention)
    thread = threading.Thread(target=_keep_sweeping, args=(sweeping, stop), name="sweeper", daemon=True)
    thread.start()
    return thread


def _keep_sweeping(sweeper: Sweeper, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            sweeper.step(time.monotonic(), stop.wait)
        except NormserveError as error:
            log.warning("sweeping waits for the database", reason=error.detail)
        except Exception:  # whatever it was, the dispatcher runs on, and later deletions must be swept
            log.exception("sweeping failed")
        stop.wait(LOOK_SECONDS)
