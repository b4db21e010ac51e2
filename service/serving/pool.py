"""A few threads for work that needs the processor: cut into slices, the smallest request first."""

import asyncio
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.errors import Overloaded

Result = TypeVar("Result")
Slices = Generator[int, None, Result]
"""Work that yields at the end of each slice what the slice cost, and returns its result."""

OLDEST_EVERY = 4
SMALL_SHARE = 64


@dataclass(eq=False)
class PoolTurn:
    """A request in a pool."""

    left: int
    """What is left of its cost."""
    given: "asyncio.Future[None] | None" = None
    """Done when it gets a thread for a slice; None while it has one."""


@dataclass(frozen=True)
class _End(Generic[Result]):
    result: Result


def choose(waiting: Sequence[PoolTurn], n_given: int) -> PoolTurn:
    """Return the request with the least left; each fourth time the oldest, so that every request ends.

    `waiting` is sorted by arrival; `n_given` is how many slices were given before.
    """
    if n_given % OLDEST_EVERY == OLDEST_EVERY - 1:
        return waiting[0]
    return min(waiting, key=lambda turn: turn.left)


def whole(work: Callable[[], Result]) -> Slices[Result]:
    """Return work that cannot be cut, as one slice."""
    yield from ()
    return work()


def finish(slices: Slices[Result]) -> Result:
    """Do all slices here and now."""
    while True:
        _, end = _advance(slices)
        if end is not None:
            return end.result


class Pool:
    """Threads for one kind of work. It refuses requests beyond a number, and large ones beyond a cost.

    Only the slices run in threads; everything else happens in the event loop.
    """

    def __init__(self, kind: str, threads: int, most_waiting: int, most_cost: int) -> None:
        self._threads = ThreadPoolExecutor(threads, kind)
        self._kind, self._most, self._most_cost = kind, threads + most_waiting, most_cost
        self._free, self._n_given = threads, 0
        self._turns: list[PoolTurn] = []
        self._stopping = False

    async def run(self, slices: Slices[Result], cost: int) -> Result:
        """Run the slices one by one, others of smaller requests between them, and return the result.

        Raises Overloaded if too much work is waiting, or when the service stops. A cancelled request ends
        with its current slice.
        """
        with self._admitted(cost) as turn:
            try:
                while True:
                    await self._wait_for_thread(turn)
                    done, end = await self._run_slice(slices)
                    if end is not None:
                        return end.result
                    turn.left = max(0, turn.left - done)
            finally:
                with suppress(ValueError):  # it is cancelled again while its slice runs
                    slices.close()

    def stop(self) -> None:
        """Refuse every request that is not done, at the end of its current slice, and every later one."""
        self._stopping = True
        for turn in self._waiting():
            turn.given.set_exception(_stopping())  # type: ignore[union-attr] # those that wait have it

    def close(self) -> None:
        """Stop, and end the threads once they have finished their slices."""
        self.stop()
        self._threads.shutdown()

    @contextmanager
    def _admitted(self, cost: int) -> Iterator[PoolTurn]:
        self._refuse_if_full(cost)
        turn = PoolTurn(cost)
        self._turns.append(turn)
        try:
            yield turn
        finally:
            self._turns.remove(turn)

    def _refuse_if_full(self, cost: int) -> None:
        waiting_cost = sum(turn.left for turn in self._turns)
        is_large = cost > self._most_cost // SMALL_SHARE
        is_too_much = bool(self._turns) and is_large and waiting_cost + cost > self._most_cost
        if is_too_much or len(self._turns) >= self._most:
            raise Overloaded(f"too many {self._kind} are waiting; try again in a moment")

    async def _wait_for_thread(self, turn: PoolTurn) -> None:
        if self._stopping:
            raise _stopping()
        turn.given = given = asyncio.get_running_loop().create_future()
        self._give_threads()
        try:
            await given
        except asyncio.CancelledError:
            if not given.cancelled():  # it was given a thread at the same moment
                self._take_back()
            raise
        finally:
            turn.given = None

    async def _run_slice(self, slices: Slices[Result]) -> tuple[int, _End[Result] | None]:
        running = asyncio.get_running_loop().run_in_executor(self._threads, _advance, slices)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])  # a slice cannot be interrupted
            raise
        finally:
            self._take_back()

    def _take_back(self) -> None:
        self._free += 1
        self._give_threads()

    def _give_threads(self) -> None:
        while self._free and (waiting := self._waiting()):
            turn = choose(waiting, self._n_given)
            self._free, self._n_given = self._free - 1, self._n_given + 1
            turn.given.set_result(None)  # type: ignore[union-attr] # those that wait have it

    def _waiting(self) -> list[PoolTurn]:
        return [turn for turn in self._turns if turn.given is not None and not turn.given.done()]


def _stopping() -> Overloaded:
    return Overloaded("the service is stopping; try again in a moment")


def _advance(slices: Slices[Result]) -> tuple[int, _End[Result] | None]:
    try:
        return next(slices), None
    except StopIteration as end:  # no future may have a StopIteration
        return 0, _End(end.value)
