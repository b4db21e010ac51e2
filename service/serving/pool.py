"""A few threads for work that needs the processor, with a short queue."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from models.training.loop import prepare_thread
from service.errors import Overloaded

Result = TypeVar("Result")


class Pool:
    """Threads for one kind of work; it refuses more work if too much is waiting."""

    def __init__(self, kind: str, threads: int, most_waiting: int) -> None:
        # Otherwise torch uses all cores in a new thread, and its first GEMM has other bits.
        self._threads = ThreadPoolExecutor(threads, kind, prepare_thread)
        self._kind, self._room = kind, threads + most_waiting

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Run work in a thread; raise Overloaded if too much work is waiting."""
        if self._room <= 0:
            raise Overloaded(f"too many {self._kind} are waiting; try again in a moment")
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._room += 1

    def close(self) -> None:
        """Drop the waiting work, and end the threads once they have finished theirs."""
        self._threads.shutdown(cancel_futures=True)
