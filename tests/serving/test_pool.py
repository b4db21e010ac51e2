"""The pool of threads: it computes, and refuses at once what would wait too long."""

import asyncio
import threading

import pytest
import torch

from service.errors import Overloaded
from service.serving.pool import Pool


def test_work_runs_in_a_thread_of_one_core() -> None:
    pool = Pool("predictions", threads=1, most_waiting=64)

    answer = asyncio.run(pool.run(torch.get_num_threads))

    pool.close()
    assert answer == 1


async def fill_and_ask(pool: Pool, release: threading.Event) -> list[bool]:
    """Fill the pool, ask for one more, then let all go on."""
    running = [asyncio.create_task(pool.run(release.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    try:
        await pool.run(release.is_set)
    finally:
        release.set()
        finished = await asyncio.gather(*running)
    return finished


def test_too_much_waiting_work_is_refused_and_the_rest_goes_on() -> None:
    pool = Pool("predictions", threads=1, most_waiting=2)

    with pytest.raises(Overloaded):
        asyncio.run(fill_and_ask(pool, threading.Event()))

    assert asyncio.run(pool.run(lambda: "room again")) == "room again"
    pool.close()
