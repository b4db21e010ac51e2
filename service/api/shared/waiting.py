"""Requests and streams that wait for a change: one watcher for all of them, no thread for any."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Hashable
from typing import Protocol

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from service.errors import NormserveError
from service.store import comparisons, public_ids, queries
from service.store.database import Database

POLL_SECONDS = 0.1
OPEN = 0
"""The revision of a comparison until all its jobs have ended; then it has none."""


class Watched(Hashable, Protocol):
    """Something else than a job or the end of a comparison that can be waited for."""

    def revision(self, session: Session) -> object:
        """Return what differs after each change."""


class Changes:
    """What requests and streams wait for, checked together every 100 ms.

    A text is the id of a job, or of a comparison that must end.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.stopping = False
        self._waiting: defaultdict[str | Watched, dict[asyncio.Future[None], object]] = defaultdict(dict)
        self._watcher: asyncio.Task[None] | None = None

    async def wait(self, what: str | Watched, revision: object, seconds: float | None = None) -> None:
        """Return when it has another revision, the time is over, or the service stops."""
        if self.stopping:
            return
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[what][changed] = revision
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await changed
        finally:
            self._forget(what, changed)

    def stop(self) -> None:
        """Wake all that wait now."""
        self.stopping = True
        for what in list(self._waiting):
            self._wake(what, None)

    async def close(self) -> None:
        """Wake all that wait, and return once nothing reads the database any more."""
        self.stop()
        if self._watcher is not None:
            await asyncio.wait([self._watcher])

    async def _watch(self) -> None:
        while self._waiting and not self.stopping:
            await asyncio.sleep(POLL_SECONDS)
            watched = list(self._waiting)
            with contextlib.suppress(NormserveError):  # a database that is away changes nothing
                revisions = await run_in_threadpool(self._read, watched)
                for what in watched:
                    self._wake(what, revisions.get(what))

    def _read(self, watched: list[str | Watched]) -> dict[str | Watched, object]:
        ids = {what for what in watched if isinstance(what, str)}
        ours = {public_id for public_id in ids if public_ids.is_valid(public_ids.COMPARISON, public_id)}
        with self.database.reading() as session:
            found: dict[str | Watched, object] = {
                what: what.revision(session) for what in watched if not isinstance(what, str)
            }
            found |= dict.fromkeys(comparisons.open_ids(session, ours) if ours else (), OPEN)
            found |= queries.revisions(session, ids - ours).items() if ids - ours else ()
        return found

    def _wake(self, what: str | Watched, revision: object) -> None:
        for changed, known in self._waiting.get(what, {}).items():
            if known != revision and not changed.done():
                changed.set_result(None)

    def _forget(self, what: str | Watched, changed: asyncio.Future[None]) -> None:
        self._waiting[what].pop(changed, None)
        if not self._waiting[what]:
            del self._waiting[what]
