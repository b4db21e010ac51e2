"""The dispatcher's process: what it does when another has its lock."""

import threading
from typing import Any, cast

from service.store import jobs
from service.store.database import Database
from service.store.dispatcher_lock import DispatcherLock
from service.work.dispatcher import Dispatcher
from service.work.process import _run
from tests.store.rows import claim_with, reread, submit
from tests.work.test_dispatcher import STALL_SECONDS, FakeEngine


class LostLock:
    """A lock whose connection was cut."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def is_held(self) -> bool:
        return False

    def release(self) -> None:
        self.released.set()


def test_a_dispatcher_that_is_asked_to_stop_without_its_lock_stops_nobody_else(database: Database) -> None:
    """Another has the lock, and a job in training."""
    stop, lost = threading.Event(), LostLock()
    others = database.lock_dispatcher()
    dispatcher = Dispatcher(database, cast(Any, FakeEngine()), STALL_SECONDS)
    running = threading.Thread(target=_run, args=(dispatcher, cast(DispatcherLock, lost), stop))
    running.start()
    lost.released.wait()
    job = submit(database)
    with database.writing() as session:
        jobs.set_submission(session, [job.key], "another's")
    claim_with(database, job, "another's")

    stop.set()
    running.join()

    found = reread(database, job)
    assert (found.status, found.stop_requested) == ("running", False)
    assert others is not None
    others.release()
