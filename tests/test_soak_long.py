"""A service under mixed load for 20 minutes, whose newest worker is killed each minute: nothing grows."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median

import httpx
import psutil
import pytest

from service.store.database import Database
from service.store.invariants import check_invariants
from service.store.sqlite_engine import sqlite_module
from tests.fixtures import Figure
from tests.process import PATIENCE_SECONDS, Service, kill, until
from tests.test_load import SMALL, Client, Told

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

SECONDS, WARMING_SECONDS = 1200, 300
"""What is cached after the first requests is not the growth that is meant."""
KILL_SECONDS, SAMPLE_SECONDS = 60, 5
MIB, TEN_MINUTES = 2**20, 600
MOST_MIB_IN_TEN_MINUTES = 1
MOST_MORE_DESCRIPTORS = 4
"""Pools open connections when they need them; a file for each request or each killed worker would be more."""
FEW_PAGES = 16
"""That a connection to SQLite keeps: its default cache of 2 MB fills for longer than this test takes."""
IMAGE = [[0] * 28] * 28
NAMES = ("service up", "service api", "service dispatch", "dask worker", "forkserver")


@dataclass
class Sizes:
    """What a process has had since the warming, sample by sample."""

    name: str
    seconds: list[float] = field(default_factory=list)
    mib: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def mib_in_ten_minutes(self) -> float:
        """Return the slope of the resident memory."""
        return TEN_MINUTES * linear_regression(self.seconds, self.mib).slope

    def more_descriptors(self) -> float:
        """Return how many more open files the last third has than the first, in the median."""
        third = len(self.descriptors) // 3
        return median(self.descriptors[-third:]) - median(self.descriptors[:third])


class Visitor(Client):
    """Asks a few times a second."""

    async def ask(self, method: str, path: str, **content: object) -> httpx.Response:
        await asyncio.sleep(random.uniform(0, 0.2))
        return await super().ask(method, path, **content)

    async def predict(self, kept: str, end: float) -> None:
        """Send images to a net that is trained."""
        while time.monotonic() < end:
            await self.ask("POST", f"/jobs/{kept}/predict", json={"images": [IMAGE] * random.randint(1, 8)})

    async def follow(self, end: float) -> None:
        """Read the events of one job after another."""
        while time.monotonic() < end:
            await self.ask("GET", f"/jobs/{random.choice(self.jobs[-20:])}/events")


@pytest.fixture
def service(database: Database, database_url: str, service_data: Path, tmp_path: Path) -> Iterator[Service]:
    if database.is_sqlite:
        with closing(sqlite_module().connect(str(database.url.database))) as connection:
            connection.execute(f"PRAGMA default_cache_size = {FEW_PAGES}")
    service = Service(tmp_path, service_data, NORMSERVE_DATABASE_URL=database_url)
    service.start()
    yield service
    service.close()


async def ask_all(service: Service, kept: str, end: float) -> Counter[int]:
    """Let two clients read, two write, one predict and two follow; count the statuses of the responses."""
    told, jobs = Told(), [kept]
    async with httpx.AsyncClient(base_url=service.client.base_url, timeout=PATIENCE_SECONDS) as http:
        visitor = Visitor(http, told, jobs)
        await asyncio.gather(
            *(visitor.read(end) for _ in range(2)),
            *(visitor.write(end) for _ in range(2)),
            *(visitor.follow(end) for _ in range(2)),
            visitor.predict(kept, end),
        )
    return told.statuses


async def kill_newest(service: Service, end: float) -> int:
    """Kill the newest worker each minute, so that another one lives through the test; return how many."""
    killed = 0
    while time.monotonic() + KILL_SECONDS < end:
        await asyncio.sleep(KILL_SECONDS)
        workers = await asyncio.to_thread(until, service.workers, "a worker")
        await asyncio.to_thread(kill, max(workers, key=psutil.Process.create_time))
        killed += 1
    return killed


def name_of(process: psutil.Process) -> str:
    title = " ".join(process.cmdline())
    return next((name for name in NAMES if name in title), title[:80])


async def sample(service: Service, end: float) -> list[Sizes]:
    """Return the sizes of the processes that have lived from the warming to the end."""
    await asyncio.sleep(WARMING_SECONDS)
    sizes = {process: Sizes(name_of(process)) for process in service.processes()}
    while time.monotonic() < end:
        for process, of in sizes.items():
            with suppress(psutil.NoSuchProcess):
                of.descriptors.append(process.num_fds())
                of.mib.append(process.memory_info().rss / MIB)
                of.seconds.append(time.monotonic())
        await asyncio.sleep(SAMPLE_SECONDS)
    return [of for process, of in sizes.items() if process.is_running()]


def test_a_service_does_not_grow(service: Service, database: Database, figure: Figure) -> None:
    kept = service.finished(service.submit(**SMALL))["id"]
    end = time.monotonic() + SECONDS

    async def soak() -> tuple[Counter[int], int, list[Sizes]]:
        return await asyncio.gather(
            ask_all(service, kept, end), kill_newest(service, end), sample(service, end)
        )

    statuses, killed, sizes = asyncio.run(soak())

    where = f"on {database.version()}"
    figure(f"responses {where}", dict(statuses), "0 of 500 and more")
    figure(f"killed workers {where}", killed, "1 a minute")
    for of in sizes:
        figure(
            f"MiB in 10 minutes, {of.name}, {where}",
            round(of.mib_in_ten_minutes(), 2),
            str(MOST_MIB_IN_TEN_MINUTES),
        )
        figure(f"more descriptors, {of.name}, {where}", of.more_descriptors(), str(MOST_MORE_DESCRIPTORS))
    assert statuses.keys() <= {200, 201, 404, 409}
    assert {*NAMES} <= {of.name for of in sizes}
    assert [of.name for of in sizes if of.mib_in_ten_minutes() > MOST_MIB_IN_TEN_MINUTES] == []
    assert [of.name for of in sizes if of.more_descriptors() > MOST_MORE_DESCRIPTORS] == []
    assert check_invariants(database) == []
