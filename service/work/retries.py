"""Work on the database, tried again until the database is there and has room."""

from collections.abc import Callable
from typing import TypeVar

import structlog

from service.errors import DatabaseUnavailable, StorageFull

log = structlog.get_logger()

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0

Result = TypeVar("Result")
Outage = DatabaseUnavailable | StorageFull


def retry(attempt: Callable[[], Result], wait: Callable[[Outage, float], None]) -> Result:
    """Return what `attempt` returns; while the database is away or full, wait and call it again.

    `wait` gets the error and the seconds to wait, which double each time up to 5; it raises to give up.
    """
    seconds = FIRST_WAIT_SECONDS
    while True:
        try:
            return attempt()
        except (DatabaseUnavailable, StorageFull) as error:
            log.warning("waiting for the database", reason=str(error), seconds=seconds)
            wait(error, seconds)
            seconds = min(2 * seconds, LONGEST_WAIT_SECONDS)
