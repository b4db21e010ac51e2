"""The time from the commit of steps until clients have their events, and what 500 open streams cost.

A span of 10 steps is stored as a worker does it, at random times, and one clock measures from the end of its
commit until a client has received it. A process of its own asks for `/livez`, without streams and with 500.
`python benchmarks/streams.py PostgreSQL` runs on this database only.
"""

import asyncio
import http.client
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context

import psutil
from dispatching import databases
from running import started

from models.specs.spec import TrainSpec
from service.store import schema
from service.store.database import Database
from service.store.jobs import ClaimedJob
from service.store.spans import record_spans
from tests.store.rows import claimed_job, span

SPEC = TrainSpec(norm="batch", init=True, steps=1_000_000, eval_every=1_000_000, checkpoint_every=1_000_000)
SPAN_STEPS, STACKED, COMMITS, PROBES = 10, 8, 150, 1_000
PAUSE_SECONDS = (0.15, 0.35)
"""Between commits: random, because the api looks for changes at fixed times."""
WARMING_SECONDS, PATIENCE_SECONDS, PROBE_PAUSE_SECONDS = 12, 60, 0.01
CASES = {"1 stream": (1, 1), "100 streams of one job": (100, 1), "100 streams of 100 jobs": (100, 100)}
"""Streams and jobs."""
MANY = 500
AIMS_MS = (150, 400)
KIBIBYTE = 1024


@dataclass
class Stream:
    """A client of the stream of a job, and when each of its events arrived."""

    claimed: ClaimedJob
    arrived: dict[int, float] = field(default_factory=dict)
    """By the last step of the event."""

    async def follow(self, address: str) -> None:
        host, port = address.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /jobs/{self.claimed.id}/events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        try:
            while line := await reader.readline():
                if line.startswith(b"id: "):
                    self.arrived[int(line[4:])] = time.perf_counter()
                elif line.startswith(b"event: status"):
                    self.arrived.setdefault(0, time.perf_counter())
        finally:
            writer.close()

    def milliseconds(self, step: int, committed_at: float) -> float:
        """Return how long after its commit a step was there."""
        return 1000 * (min(at for last, at in self.arrived.items() if last >= step) - committed_at)


@dataclass
class Trained:
    """Jobs that this process trains as a worker would, and when each of their spans was committed."""

    database: Database
    jobs: Sequence[ClaimedJob]
    steps: dict[int, int] = field(default_factory=dict)
    committed: list[tuple[int, int, float]] = field(default_factory=list)
    """Key of the job, last step, time."""

    async def advance(self) -> None:
        """Store the next span of up to 8 jobs, which take turns."""
        stacked = sorted(self.jobs, key=lambda job: self.steps.get(job.key, 0))[:STACKED]
        committed_at = await asyncio.to_thread(self._store, stacked)
        for job in stacked:
            self.steps[job.key] = self.steps.get(job.key, 0) + SPAN_STEPS
            self.committed.append((job.key, self.steps[job.key], committed_at))
        await asyncio.sleep(random.uniform(*PAUSE_SECONDS))  # noqa: S311

    def _store(self, stacked: Sequence[ClaimedJob]) -> float:
        firsts = {job: self.steps.get(job.key, 0) + 1 for job in stacked}
        spans = [span(job, first, first + SPAN_STEPS - 1) for job, first in firsts.items()]
        with self.database.writing() as session:
            record_spans(session, spans, datetime.now(UTC))
        return time.perf_counter()


@asynccontextmanager
async def following(address: str, jobs: Sequence[ClaimedJob], streams: int) -> AsyncIterator[list[Stream]]:
    """Open streams of these jobs in turn; yield them when all have begun."""
    opened = [Stream(jobs[number % len(jobs)]) for number in range(streams)]
    tasks = [asyncio.create_task(stream.follow(address)) for stream in opened]
    await until(opened, {job.key: 0 for job in jobs})
    yield opened
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def until(streams: Sequence[Stream], steps: dict[int, int]) -> None:
    """Wait until every stream has the last of these steps of its job."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while any(max(each.arrived, default=-1) < steps[each.claimed.key] for each in streams):
            await asyncio.sleep(0.01)


async def latencies(address: str, trained: Trained, streams: int) -> list[float]:
    """Return the milliseconds from each commit to the event at each stream of the job."""
    async with following(address, trained.jobs, streams) as opened:
        for _ in range(COMMITS):
            await trained.advance()
        await until(opened, trained.steps)
        return [
            stream.milliseconds(step, at)
            for stream in opened
            for key, step, at in trained.committed
            if key == stream.claimed.key
        ]


def probes(address: str) -> list[float]:
    """Return the milliseconds of many GET /livez, one after another."""
    connection, found = http.client.HTTPConnection(address.removeprefix("http://")), []
    for _ in range(PROBES):
        started_at = time.perf_counter()
        connection.request("GET", "/livez")
        connection.getresponse().read()
        found.append(1000 * (time.perf_counter() - started_at))
        time.sleep(PROBE_PAUSE_SECONDS)
    return found


async def with_many(address: str, trained: Trained, pool: ProcessPoolExecutor) -> tuple[list[float], float]:
    """Return the milliseconds of /livez beside 500 streams of one moving job, and the KiB of a stream."""
    api = next(each for each in psutil.Process().children() if "service" in each.cmdline())
    before = api.memory_info().rss
    async with following(address, trained.jobs, MANY):
        grown = api.memory_info().rss - before
        probing = asyncio.get_running_loop().run_in_executor(pool, probes, address)
        while not probing.done():
            await trained.advance()
        return await probing, grown / KIBIBYTE / MANY


def p50_p99(values: Sequence[float]) -> str:
    return f"p50 {statistics.median(values):.1f} ms, p99 {sorted(values)[int(0.99 * len(values))]:.1f} ms"


def trained(database: Database, jobs: int) -> Trained:
    return Trained(database, [claimed_job(database, SPEC)[1] for _ in range(jobs)])


def measure(name: str, address: str, database: Database, pool: ProcessPoolExecutor) -> None:
    for what, (streams, jobs) in CASES.items():
        found = asyncio.run(latencies(address, trained(database, jobs), streams))
        print(f"{name}, {what}: {p50_p99(found)} ({AIMS_MS[0]}, {AIMS_MS[1]})", flush=True)
    pool.submit(probes, address).result()  # the process starts
    print(f"{name}, /livez: {p50_p99(pool.submit(probes, address).result())}")
    found, kibibytes = asyncio.run(with_many(address, trained(database, 1), pool))
    print(
        f"{name}, /livez beside {MANY} streams: {p50_p99(found)}; {kibibytes:.0f} KiB per stream", flush=True
    )


def main() -> None:
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    with databases() as urls, ProcessPoolExecutor(1, get_context("spawn")) as pool:
        for name, url in urls.items():
            if only in name:
                database = Database(url)
                schema.upgrade(database.engine)
                with started("api", DATABASE_URL=url) as address:
                    time.sleep(WARMING_SECONDS)
                    measure(name, address, database, pool)
                database.close()


if __name__ == "__main__":
    main()
