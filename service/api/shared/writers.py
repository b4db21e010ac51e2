"""The requests that may write at once: others wait their turn without a thread, so that reads go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.errors import Overloaded

MOST_WAITING = 256
WAIT_SECONDS = 4.0
"""With the time that a writer may then take, a response within 15 seconds."""
READING_METHODS = {"GET", "HEAD", "OPTIONS"}


class Writers:
    """Turns of those that write, first come, first served."""

    def __init__(self, at_once: int) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it; raise Overloaded if too many wait, or for too long."""
        if self._waiting >= MOST_WAITING:
            raise Overloaded("too many requests wait to write; try again in a moment")
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise Overloaded("other requests are still writing; try again in a moment") from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()
