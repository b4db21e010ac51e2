"""The sweeper: deletes what is marked as deleted, in a thread beside the dispatcher's loop."""

import threading

import structlog

from service.errors import NormserveError
from service.store.database import Database
from service.store.sweeping import sweep_all

log = structlog.get_logger()

LOOK_SECONDS = 2.0


def start(database: Database, stop: threading.Event) -> threading.Thread:
    """Sweep from now on, until asked to stop; a transaction that is interrupted is rolled back."""
    sweeper = threading.Thread(target=_keep_sweeping, args=(database, stop), name="sweeper", daemon=True)
    sweeper.start()
    return sweeper


def _keep_sweeping(database: Database, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            sweep_all(database, stop.wait)
        except NormserveError as error:
            log.warning("sweeping waits for the database", reason=error.detail)
        except Exception:  # whatever it was, the dispatcher runs on, and later deletions must be swept
            log.exception("sweeping failed")
        stop.wait(LOOK_SECONDS)
