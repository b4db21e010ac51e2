"""Requests that wait for a job to change: one watcher for all of them, no thread for any."""

import asyncio
import contextlib
from collections import defaultdict

from starlette.concurrency import run_in_threadpool

from service.errors import NormserveError
from service.store import queries
from service.store.database import Database

POLL_SECONDS = 0.1


class Changes:
    """The jobs that requests wait for, checked together every 100 ms."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.stopping = False
        self._waiting: defaultdict[str, dict[asyncio.Future[None], int]] = defaultdict(dict)
        self._watcher: asyncio.Task[None] | None = None

    async def wait(self, job_id: str, revision: int, seconds: float) -> None:
        """Return when the job has another revision, the time is over, or the service stops."""
        if self.stopping:
            return
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[job_id][changed] = revision
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed
        self._forget(job_id, changed)

    def stop(self) -> None:
        """Wake every waiting request now."""
        self.stopping = True
        for job_id in list(self._waiting):
            self._wake(job_id, None)

    async def _watch(self) -> None:
        while self._waiting:
            await asyncio.sleep(POLL_SECONDS)
            ids = list(self._waiting)
            with contextlib.suppress(NormserveError):  # a database that is away changes nothing
                revisions = await run_in_threadpool(self._read, ids)
                for job_id in ids:
                    self._wake(job_id, revisions.get(job_id))

    def _read(self, ids: list[str]) -> dict[str, int]:
        with self.database.reading() as session:
            return queries.revisions(session, ids)

    def _wake(self, job_id: str, revision: int | None) -> None:
        for changed, known in self._waiting.get(job_id, {}).items():
            if known != revision and not changed.done():
                changed.set_result(None)

    def _forget(self, job_id: str, changed: asyncio.Future[None]) -> None:
        self._waiting[job_id].pop(changed, None)
        if not self._waiting[job_id]:
            del self._waiting[job_id]
