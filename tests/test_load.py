"""Four api processes, a dispatcher and two workers on one SQLite file, with many clients at once."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.store.database import Database
from service.store.invariants import check_invariants
from tests.fixtures import Figure
from tests.parts import Parts
from tests.process import PATIENCE_SECONDS, answered, free_port

APIS = 4
CLIENTS_OF_EACH = 16
SMALL = {"steps": 20, "n_units": 8, "eval_every": 20}


@dataclass
class Told:
    """What clients of one kind were answered, and after how many seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    locked: int = 0

    def percentile(self, share: float) -> float:
        return sorted(self.seconds)[int(share * len(self.seconds))]


class Client:
    """Asks without a pause until the time is over."""

    def __init__(self, http: httpx.AsyncClient, told: Told, jobs: list[str]) -> None:
        self.http, self.told, self.jobs = http, told, jobs

    async def ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        began = time.perf_counter()
        answer = await self.http.request(method, path, **content)
        self.told.seconds.append(time.perf_counter() - began)
        self.told.statuses[answer.status_code] += 1
        self.told.locked += "database is locked" in answer.text
        return answer

    async def read(self, end: float) -> None:
        """Read lists, jobs, histories and the queue."""
        while time.monotonic() < end:
            job = f"/jobs/{random.choice(self.jobs)}"
            await self.ask("GET", random.choice((job, f"{job}/metrics", "/jobs?limit=20", "/queue")))

    async def write(self, end: float) -> None:
        """Submit small jobs; label, cancel and delete one's own, whatever has become of them."""
        own = []
        while time.monotonic() < end:
            answer = await self.ask("POST", "/jobs", json={**SMALL, "seed": random.randrange(1000)})
            own.append(answer.json()["id"])
            self.jobs.append(own[-1])
            await self.ask("PATCH", f"/jobs/{own[-1]}", json={"label": "under load"})
            await self.ask("POST", f"/jobs/{random.choice(own)}/cancel")
            await self.ask("DELETE", f"/jobs/{random.choice(own)}")


@pytest.fixture
def service(sqlite_url: str, service_data: Path, tmp_path: Path) -> Iterator[Parts]:
    service = Parts(tmp_path, service_data, NORMSERVE_DATABASE_URL=sqlite_url)
    service.run("api", "api")
    service.run("dispatcher", "dispatch")
    service.wait_for_all()
    yield service
    service.close()


@pytest.fixture
def addresses(service: Parts) -> list[str]:
    """Of the api and of three more processes of it."""
    ports = [free_port() for _ in range(APIS - 1)]
    for port in ports:
        service.run(f"api on {port}", "api", NORMSERVE_PORT=str(port))
    found = [f"http://127.0.0.1:{port}" for port in ports]
    for address in found:
        answered(partial(httpx.get, f"{address}/readyz"))
    return [str(service.client.base_url), *found]


async def ask_all(addresses: list[str], jobs: list[str], seconds: float) -> tuple[Told, Told]:
    """Let 16 clients ask each api, half of them to write; answer what readers and writers were told."""
    read, written = Told(), Told()
    end = time.monotonic() + seconds
    clients = [httpx.AsyncClient(base_url=address, timeout=PATIENCE_SECONDS) for address in addresses]
    readers = [Client(http, read, jobs).read(end) for http in clients for _ in range(CLIENTS_OF_EACH // 2)]
    writers = [
        Client(http, written, jobs).write(end) for http in clients for _ in range(CLIENTS_OF_EACH // 2)
    ]
    await asyncio.gather(*readers, *writers)
    for http in clients:
        await http.aclose()
    return read, written


def assert_nothing_breaks(
    service: Parts, addresses: list[str], database: Database, figure: Figure, seconds: float
) -> None:
    kept = service.submit(**SMALL)

    read, written = asyncio.run(ask_all(addresses, [kept], seconds))

    statuses = read.statuses + written.statuses
    failed = sum(number for status, number in statuses.items() if status >= 500)
    locked = read.locked + written.locked + service.log.read_text().count("database is locked")
    ends = [line for line in service.log.read_text().splitlines() if '"training ended"' in line]
    trained = sum(len(json.loads(line)["jobs"]) for line in ends)
    what = f"of 64 clients in {seconds:g} seconds"
    figure(f"answers of 500 and more {what}", failed, "0")
    figure(f"mentions of a locked database {what}", locked, "0")
    figure(f"p99 of {len(written.seconds)} writes {what}", f"{written.percentile(0.99):.2f} s", "1 s")
    figure(f"p99 of {len(read.seconds)} reads {what}", f"{read.percentile(0.99):.2f} s", "none")
    figure(f"jobs trained {what}", trained, "at least 1")
    assert (failed, locked) == (0, 0)
    assert statuses.keys() <= {200, 201, 404, 409}
    assert service.finished(kept)["status"] == "succeeded"
    assert check_invariants(database) == []


def test_many_clients_of_four_apis_are_answered(
    service: Parts, addresses: list[str], sqlite: Database, figure: Figure
) -> None:
    assert_nothing_breaks(service, addresses, sqlite, figure, seconds=4)


@pytest.mark.long
def test_many_clients_of_four_apis_are_answered_for_a_minute(
    service: Parts, addresses: list[str], sqlite: Database, figure: Figure
) -> None:
    assert_nothing_breaks(service, addresses, sqlite, figure, seconds=60)
