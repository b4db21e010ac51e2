"""Requests that wait for a change or an end: one watcher for all of them, no thread for any."""

import asyncio
import contextlib
from collections import defaultdict

from starlette.concurrency import run_in_threadpool

from service.errors import NormserveError
from service.store import comparisons, public_ids, queries
from service.store.database import Database

POLL_SECONDS = 0.1
OPEN = 0
"""The revision of a comparison until all its jobs have ended; then it has none."""


class Changes:
    """The jobs and comparisons that requests wait for, checked together every 100 ms."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.stopping = False
        self._waiting: defaultdict[str, dict[asyncio.Future[None], int]] = defaultdict(dict)
        self._watcher: asyncio.Task[None] | None = None

    async def wait(self, public_id: str, revision: int, seconds: float) -> None:
        """Return when this job or comparison has another revision, the time is over, or the service stops."""
        if self.stopping:
            return
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[public_id][changed] = revision
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed
        self._forget(public_id, changed)

    def stop(self) -> None:
        """Wake every waiting request now."""
        self.stopping = True
        for public_id in list(self._waiting):
            self._wake(public_id, None)

    async def close(self) -> None:
        """Wake every waiting request, and return once nothing reads the database any more."""
        self.stop()
        if self._watcher is not None:
            await asyncio.wait([self._watcher])

    async def _watch(self) -> None:
        while self._waiting and not self.stopping:
            await asyncio.sleep(POLL_SECONDS)
            ids = list(self._waiting)
            with contextlib.suppress(NormserveError):  # a database that is away changes nothing
                revisions = await run_in_threadpool(self._read, ids)
                for public_id in ids:
                    self._wake(public_id, revisions.get(public_id))

    def _read(self, ids: list[str]) -> dict[str, int]:
        ours = {public_id for public_id in ids if public_ids.is_valid(public_ids.COMPARISON, public_id)}
        with self.database.reading() as session:
            open_ones = comparisons.open_ids(session, ours) if ours else set()
            return {**queries.revisions(session, set(ids) - ours), **dict.fromkeys(open_ones, OPEN)}

    def _wake(self, public_id: str, revision: int | None) -> None:
        for changed, known in self._waiting.get(public_id, {}).items():
            if known != revision and not changed.done():
                changed.set_result(None)

    def _forget(self, public_id: str, changed: asyncio.Future[None]) -> None:
        self._waiting[public_id].pop(changed, None)
        if not self._waiting[public_id]:
            del self._waiting[public_id]
