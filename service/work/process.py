"""The dispatcher as a process: waits for its turn, runs, and goes down in good order."""

import os
import threading

import structlog

from service.settings import Settings
from service.store.database import Database, DispatcherLock
from service.work.dispatcher import Dispatcher
from service.work.engine import Engine
from service.work.entry import train_cohort

log = structlog.get_logger()

STANDBY_SECONDS = 0.5
DRAIN_SECONDS = 6


def dispatch(settings: Settings, stop: threading.Event) -> None:
    """Be the active dispatcher as soon as no other is, until asked to stop; ends the process."""
    database = Database(settings.database)
    lock = _await_turn(database, stop)
    if lock is None:
        return
    engine = Engine(settings.workers)
    dispatcher = Dispatcher(database, engine.submit(train_cohort), engine.slots)
    dispatcher.recover()
    log.info("dispatcher ready", workers=engine.slots(), database=database.version())
    dispatcher.run(stop)
    log.info("dispatcher stops")
    dispatcher.drain(DRAIN_SECONDS)
    database.close()
    engine.kill()
    # The engine's threads would start the workers again, and its own way down can hang.
    os._exit(0)


def _await_turn(database: Database, stop: threading.Event) -> DispatcherLock | None:
    told = False
    while not stop.is_set():
        lock = database.lock_dispatcher()
        if lock is not None:
            return lock
        if not told:
            log.info("another dispatcher is active; standing by")
            told = True
        stop.wait(STANDBY_SECONDS)
    return None
