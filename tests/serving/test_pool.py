"""Work is cut into slices; the smallest request goes first, and no thread works for nobody."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.errors import Overloaded
from service.serving.pool import OLDEST_EVERY, Pool, PoolTurn, Slices, choose, finish, whole

PATIENCE_SECONDS = 60


@pytest.fixture
def pool() -> Iterator[Pool]:
    """One thread, room for three requests, and a limit of the cost."""
    with closing(Pool("predictions", threads=1, most_waiting=2, most_cost=6400)) as pool:
        yield pool


@dataclass
class Diary:
    """The slices in the order in which they began; each waits until it may go on."""

    begun: list[str] = field(default_factory=list)
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def slices(self, name: str, n: int) -> Slices[str]:
        for _ in range(n):
            self.begun.append(name)
            assert self.may_go_on.wait(PATIENCE_SECONDS)
            yield 1
        return name

    async def until_begun(self, n: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.begun) < n:
                await asyncio.sleep(0.001)


async def started(work: Coroutine[Any, Any, str]) -> "asyncio.Task[str]":
    """Start work and let it come to where it waits."""
    task = asyncio.create_task(work)
    await asyncio.sleep(0)
    return task


def test_a_small_request_goes_before_the_rest_of_a_large_one(pool: Pool) -> None:
    diary = Diary()

    async def ask() -> str:
        large = await started(pool.run(diary.slices("large", 3), cost=3))
        await diary.until_begun(1)
        small = await started(pool.run(diary.slices("small", 1), cost=1))
        diary.may_go_on.set()
        return f"{await small}, {await large}"

    assert asyncio.run(ask()) == "small, large"
    assert diary.begun == ["large", "small", "large", "large"]


@pytest.mark.parametrize("n_given", range(2 * OLDEST_EVERY))
def test_each_fourth_slice_is_of_the_oldest_request(n_given: int) -> None:
    waiting = [PoolTurn(left=5), PoolTurn(left=2), PoolTurn(left=2), PoolTurn(left=3)]

    chosen = choose(waiting, n_given)

    assert chosen is waiting[0 if n_given in {3, 7} else 1]


def test_a_large_request_ends_although_smaller_ones_always_wait(pool: Pool) -> None:
    ended: list[str] = []

    async def keep_asking() -> None:
        while not ended:
            await pool.run(whole(lambda: "small"), cost=1)

    async def ask() -> None:
        askers = [asyncio.create_task(keep_asking()) for _ in range(2)]
        diary = Diary()
        diary.may_go_on.set()
        ended.append(await pool.run(diary.slices("large", 20), cost=20))
        await asyncio.gather(*askers)

    asyncio.run(asyncio.wait_for(ask(), PATIENCE_SECONDS))

    assert ended == ["large"]


def test_too_many_requests_are_refused_and_the_others_go_on(pool: Pool) -> None:
    diary = Diary()

    async def ask() -> list[str]:
        running = [await started(pool.run(diary.slices("x", 1), cost=1)) for _ in range(3)]
        with pytest.raises(Overloaded):
            await pool.run(diary.slices("one too many", 1), cost=1)
        diary.may_go_on.set()
        found = await asyncio.gather(*running)
        return [*found, await pool.run(whole(lambda: "room again"), cost=1)]

    assert asyncio.run(ask()) == ["x", "x", "x", "room again"]


@pytest.mark.parametrize(
    ("waiting", "cost", "is_refused"),
    [(6000, 400, False), (6000, 401, True), (6400, 100, False), (6400, 101, True), (0, 10**9, False)],
    ids=["up to the limit", "beyond it", "small", "not small", "alone"],
)
def test_large_requests_are_refused_beyond_a_cost(
    pool: Pool, waiting: int, cost: int, is_refused: bool
) -> None:
    diary = Diary()

    async def ask() -> bool:
        before = [await started(pool.run(diary.slices("before", 1), waiting))] if waiting else []
        asked = await started(pool.run(diary.slices("asked", 1), cost))
        diary.may_go_on.set()
        await asyncio.gather(*before)
        return isinstance((await asyncio.gather(asked, return_exceptions=True))[0], Overloaded)

    assert asyncio.run(ask()) is is_refused


def test_a_cancelled_request_ends_with_its_slice(pool: Pool) -> None:
    diary = Diary()

    async def ask() -> str:
        gone = await started(pool.run(diary.slices("gone", 100), cost=100))
        waiting = await started(pool.run(diary.slices("gone too", 100), cost=100))
        await diary.until_begun(1)
        gone.cancel()
        waiting.cancel()
        await asyncio.sleep(0)
        diary.may_go_on.set()
        await asyncio.gather(gone, waiting, return_exceptions=True)
        return await pool.run(diary.slices("next", 1), cost=1)

    assert asyncio.run(ask()) == "next"
    assert diary.begun == ["gone", "next"]


def test_a_pool_that_stops_refuses_what_is_not_done_at_the_end_of_a_slice(pool: Pool) -> None:
    diary = Diary()

    async def ask() -> list[type[str | BaseException]]:
        running = await started(pool.run(diary.slices("running", 100), cost=100))
        await diary.until_begun(1)
        waiting = await started(pool.run(diary.slices("waiting", 1), cost=1))
        pool.stop()
        later = await started(pool.run(diary.slices("later", 1), cost=1))
        diary.may_go_on.set()
        ends = await asyncio.gather(running, waiting, later, return_exceptions=True)
        return [type(end) for end in ends]

    assert asyncio.run(ask()) == [Overloaded] * 3
    assert diary.begun == ["running"]


def test_an_error_of_a_slice_is_raised_and_the_thread_is_free_again(pool: Pool) -> None:
    def failing() -> Slices[str]:
        yield 1
        raise ValueError("wrong")

    async def ask() -> str:
        with pytest.raises(ValueError, match="wrong"):
            await pool.run(failing(), cost=2)
        return await pool.run(whole(lambda: "next"), cost=1)

    assert asyncio.run(ask()) == "next"


def test_slices_can_be_done_at_once() -> None:
    diary = Diary()
    diary.may_go_on.set()

    assert (finish(diary.slices("x", 3)), diary.begun) == ("x", ["x"] * 3)
