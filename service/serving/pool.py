"""A few threads for work that needs the processor, with a short queue before them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from models.training.loop import prepare_thread
from service.errors import Overloaded

Answer = TypeVar("Answer")


class Pool:
    """Threads of one kind of work; over the limit of waiting work it refuses at once."""

    def __init__(self, kind: str, threads: int, most_waiting: int) -> None:
        # torch gives a new thread as many cores as there are, and other bits for its first GEMM.
        self._threads = ThreadPoolExecutor(threads, kind, prepare_thread)
        self._kind, self._room = kind, threads + most_waiting

    async def run(self, work: Callable[..., Answer], *arguments: Any) -> Answer:
        """Run work in a thread; raise Overloaded when too much waits already."""
        if self._room <= 0:
            raise Overloaded(f"too many {self._kind} are waiting; try again in a moment")
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._room += 1

    def close(self) -> None:
        """End the threads once their work is done."""
        self._threads.shutdown(cancel_futures=True)
