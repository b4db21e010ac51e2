"""The dispatcher as a process: it waits for the lock, runs, and hands its jobs back when asked to stop."""

import os
import threading
from contextlib import suppress
from functools import partial

import structlog

from service.errors import NormserveError
from service.settings import Settings
from service.store.announcements import listen
from service.store.database import Database
from service.store.dispatcher_lock import DispatcherLock
from service.webhooks import delivering
from service.work import sweeper
from service.work.cluster_engine import ClusterEngine
from service.work.dispatcher import Dispatcher, LockLost
from service.work.entry import train_cohort
from service.work.local_engine import LocalEngine
from service.work.retries import Outage, retry

log = structlog.get_logger()

STANDBY_SECONDS = 2.0
LOCK_SECONDS = 30  # a dispatcher that hangs for so long loses its lock to another
DRAIN_SECONDS = 6
WEBHOOKS_SECONDS = 2  # for what is being delivered, which begins to end before the jobs are handed back


class StopRequested(Exception):
    """The process was asked to stop while it waited."""


def dispatch(settings: Settings, stop: threading.Event) -> None:
    """Be the active dispatcher as soon as no other is, until asked to stop; ends the process."""
    database = Database(settings.database)
    lock = _wait_for_lock(database, stop)
    if lock is None:
        return
    code, engine = 1, None
    try:
        engine = _engine(settings)
        dispatcher = Dispatcher(database, engine, settings.stall_seconds)
        sweeper.start(database, stop, settings.retention)
        waits = settings.webhook_retry_seconds
        webhooks = delivering.start(database, stop, settings.webhook_networks, waits)
        listen(database, dispatcher.woken.set)
        _run(dispatcher, lock, stop)
        webhooks.join(WEBHOOKS_SECONDS)
        code = 0
    except NormserveError as error:
        log.warning("jobs left to the next dispatcher", reason=error.detail)
    except Exception:  # the process must end, whatever it was: the supervisor restarts it
        log.exception("dispatcher failed")
    finally:
        with suppress(Exception):
            if engine is not None:
                engine.kill()
        # The engine's threads would restart the workers, and its orderly shutdown can hang.
        os._exit(code)


def _run(dispatcher: Dispatcher, lock: DispatcherLock | None, stop: threading.Event) -> None:
    """Dispatch while this process has the lock; when asked to stop, hand the jobs back if it has it.

    Tasks in flight continue while the lock is lost.
    """
    while lock is not None:
        try:
            with suppress(StopRequested):
                retry(partial(_recover, dispatcher, lock), partial(_wait, stop))
            log.info("dispatcher ready", workers=dispatcher.engine.slots())
            dispatcher.run(stop, lock.is_held)
            log.info("dispatcher stops")
            dispatcher.drain(DRAIN_SECONDS)
            return
        except LockLost:
            log.warning("dispatcher lock lost")
            lock.release()
        lock = _wait_for_lock(dispatcher.database, stop)


def _recover(dispatcher: Dispatcher, lock: DispatcherLock) -> int:
    if not lock.is_held():  # starting the workers, or waiting for the database, can take long
        raise LockLost
    return dispatcher.recover()


def _wait_for_lock(database: Database, stop: threading.Event) -> DispatcherLock | None:
    """Ask for the lock until this process has it; return None when asked to stop."""
    waits = False
    with suppress(StopRequested):
        while not stop.is_set():
            lock = retry(partial(database.lock_dispatcher, LOCK_SECONDS), partial(_wait, stop))
            if lock is not None:
                return lock
            if not waits:
                log.warning(
                    "another dispatcher has this database: this one waits and trains nothing; "
                    "a second service needs NORMSERVE_DATA_DIR or NORMSERVE_DATABASE_URL"
                )
                waits = True
            _wait(stop, None, STANDBY_SECONDS)
    return None


def _wait(stop: threading.Event, _: Outage | None, seconds: float) -> None:
    if stop.wait(seconds):
        raise StopRequested


def _engine(settings: Settings) -> LocalEngine | ClusterEngine:
    if settings.scheduler:
        return ClusterEngine(settings.scheduler, settings.certificates, train_cohort)
    return LocalEngine(settings.workers, train_cohort)
