"""The usable keys as one process has last read them: no request waits for the database, right or wrong."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from starlette.concurrency import run_in_threadpool

from service.callers import Caller
from service.edge.wrong_keys import WrongKeys
from service.errors import DatabaseUnavailable, NormserveError
from service.store import clock, keys
from service.store.database import Database
from service.store.key_sessions import digest_of
from service.store.keys import Usable

FRESH_SECONDS, MOST_SECONDS = 2.0, 5.0
"""Keys older than the first are read again while they serve; older than the second, before they serve."""
LEAST_SECONDS = 0.25
"""Between two reads, however many wrong keys arrive."""
OUTAGE_SECONDS = 60.0
"""How long the keys that were read last serve while the database is away."""
PATIENCE_SECONDS = 1.0
"""How long a request waits for a read where older keys could serve, and a read until it may store uses."""


class KeyRing:
    """The keys of one process. `demanded` is None where that depends on whether a key was ever made."""

    def __init__(
        self, database: Database, demanded: bool | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.database, self.demanded, self._clock = database, demanded, clock
        self.wrong = WrongKeys()
        self._usable: Usable | None = None
        self._read_at = self._tried_at = -MOST_SECONDS
        self._is_away = False
        """Whether the last read that somebody waited for has not succeeded: nobody waits for the next one."""
        self._under_way: asyncio.Task[Usable] | None = None
        self._next: asyncio.Task[Usable] | None = None
        self._used: set[int] = set()

    async def demands(self) -> bool:
        """Return whether requests need a key."""
        if self.demanded is not None:
            return self.demanded
        return (await self._current()).is_first_made

    async def by_text(self, text: str, address: str) -> Caller | None:
        """Return who has a key, or None for a wrong one, which is counted.

        A key that is not known is looked for once more in the database, with all others that arrive
        meanwhile. Raises TooManyWrongKeys.
        """
        caller = (await self._current()).by_text(text)
        if caller is None:
            may_be_new = keys.id_of(text) is not None
            caller = await self._look_again(partial(Usable.by_text, text=text), address, may_be_new)
        return self._noted(caller)

    async def by_token(self, token: str, address: str) -> Caller | None:
        """Return who has a session, by the token of its cookie; see by_text."""
        sha256 = digest_of(token)
        caller = (await self._current()).sessions.get(sha256)
        if caller is None:
            caller = await self._look_again(lambda usable: usable.sessions.get(sha256), address)
        return self._noted(caller)

    async def is_usable(self, caller: Caller) -> bool:
        """Return whether a caller that was let in may still be: its key is valid, or none is needed."""
        try:
            if caller.key_id is None:
                return not await self.demands()
            return caller.key_id in (await self._current()).keys
        except DatabaseUnavailable:
            return False

    async def close(self) -> None:
        """Return once nothing reads the database any more."""
        for task in (self._under_way, self._next):
            if task is not None:
                await asyncio.wait([task])

    async def _look_again(
        self, find: Callable[[Usable], Caller | None], address: str, may_be_new: bool = True
    ) -> Caller | None:
        # Counted before it is known to be wrong: many at once must not all wait for the database.
        self.wrong.count(address)
        caller = find(await self._later()) if may_be_new else None
        if caller is not None:
            self.wrong.forgive(address)
        return caller

    def _noted(self, caller: Caller | None) -> Caller | None:
        if caller is not None and self._usable and caller.number in self._usable.long_unused:
            self._used.add(caller.number)
        return caller

    async def _current(self) -> Usable:
        """Return keys that were read at most 5 seconds ago, or a minute ago while the database is away."""
        if self._usable is None:
            return await self._later()
        age = self._clock() - self._read_at
        if age > FRESH_SECONDS and self._under_way is None and self._next is None:
            self._start()
        if age > MOST_SECONDS and not self._is_away:
            self._is_away = True
            with suppress(TimeoutError, DatabaseUnavailable):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    return await self._later()
        if age > OUTAGE_SECONDS and (self.demanded or self._usable.is_first_made):
            raise DatabaseUnavailable("the database does not respond, so keys cannot be checked")
        return self._usable

    async def _later(self) -> Usable:
        """Return keys whose reading begins after this call; all who wait share it."""
        # A request that ends must not cancel what others wait for.
        return await asyncio.shield(self._next or self._start())

    def _start(self) -> asyncio.Task[Usable]:
        self._next = asyncio.create_task(self._read_after(self._under_way))
        self._next.add_done_callback(_heed)
        return self._next

    async def _read_after(self, before: asyncio.Task[Usable] | None) -> Usable:
        if before is not None:
            await asyncio.wait([before])
        await asyncio.sleep(max(0.0, self._tried_at + LEAST_SECONDS - self._clock()))
        self._under_way, self._next = self._next, None
        self._tried_at = self._clock()
        try:
            used, self._used = self._used, set()
            self._usable = await run_in_threadpool(self._read, frozenset(used))
            self._read_at, self._is_away = self._tried_at, False
            return self._usable
        finally:
            self._under_way = None

    def _read(self, used: frozenset[int]) -> Usable:
        if used:
            # Nobody but the operator sees it, to within minutes: a request must not fail for it.
            with suppress(NormserveError), self.database.writing(PATIENCE_SECONDS) as session:
                keys.note_uses(session, used, clock.now(session))
        with self.database.reading() as session:
            return keys.read_usable(session, clock.now(session))


def _heed(reading: asyncio.Task[Usable]) -> None:
    """Heed the error of a reading that nobody may wait for."""
    if not reading.cancelled():
        reading.exception()
