"""Reads of the database for streams: equal ones are one, and a few run at once."""

import asyncio
from collections.abc import Hashable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from service.errors import DatabaseUnavailable
from service.store.database import Database

LIVE_AT_ONCE, BEHIND_AT_ONCE = 4, 2
"""Threads for what has just changed and for what a client has missed: other requests keep the rest."""
OUTAGE_SECONDS = 1.0

Found_co = TypeVar("Found_co", covariant=True)


class Query(Hashable, Protocol[Found_co]):
    """What a stream reads: equal queries find the same."""

    def __call__(self, session: Session) -> Found_co:
        """Read it in one transaction."""


class Reads:
    """The reads of all streams of one api process."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._under_way: dict[Query[Any], asyncio.Task[Any]] = {}
        self._live = asyncio.Semaphore(LIVE_AT_ONCE)
        self._behind = asyncio.Semaphore(BEHIND_AT_ONCE)

    async def read(self, query: Query[Found_co], behind: bool = False) -> Found_co:
        """Return what is found; a read that is under way for another stream is shared.

        Reads of streams that are `behind` wait for each other, and not for the live ones.
        """
        reading = self._under_way.get(query)
        if reading is None:
            turns = self._behind if behind else self._live
            reading = self._under_way[query] = asyncio.create_task(self._read(query, turns))
            reading.add_done_callback(lambda done: self._forget(query, done))
        # A stream that ends must not cancel what others wait for.
        found: Found_co = await asyncio.shield(reading)
        return found

    async def read_patiently(self, query: Query[Found_co], behind: bool = False) -> Found_co:
        """Return what is found; while the database is away, try again every second."""
        while True:
            with suppress(DatabaseUnavailable):
                return await self.read(query, behind)
            await asyncio.sleep(OUTAGE_SECONDS)

    async def close(self) -> None:
        """Return once nothing reads the database any more."""
        if self._under_way:
            await asyncio.wait(self._under_way.values())

    async def _read(self, query: Query[Found_co], turns: asyncio.Semaphore) -> Found_co:
        async with turns:
            return await run_in_threadpool(self._find, query)

    def _find(self, query: Query[Found_co]) -> Found_co:
        with self.database.snapshot() as session:
            return query(session)

    def _forget(self, query: Query[Any], reading: asyncio.Task[Any]) -> None:
        del self._under_way[query]
        if not reading.cancelled():
            reading.exception()  # nobody may be left to hear of it
