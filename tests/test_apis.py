"""Several api processes share one port: each serves, and the death of one loses no request of another."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from service.store import schema
from service.store.database import Database
from tests.process import PATIENCE_SECONDS, free_port, kill, start, until
from tests.scrapes import samples, value

pytestmark = pytest.mark.service

CLIENTS = 4


class Apis:
    """`normserve api` with two api processes."""

    def __init__(self, folder: Path, url: str) -> None:
        self.address = f"http://127.0.0.1:{(port := free_port())}"
        settings = {"APIS": "2", "PORT": str(port), "DATABASE_URL": url, "DATA_DIR": str(folder)}
        environment = {f"NORMSERVE_{name}": value for name, value in settings.items()}
        with (folder / "log").open("wb") as log:
            self.supervisor = start(["api"], {**os.environ, **environment}, log)
        self.gone: set[int] = set()

    def two(self) -> list[psutil.Process]:
        """Wait until two processes serve, of which none is known to be gone."""

        def serving() -> list[psutil.Process] | None:
            found = [each for each in self.supervisor.children() if each.pid not in self.gone]
            return found if len(found) == 2 and all(map(self.serves, found)) else None

        return until(serving, "two apis")

    def serves(self, process: psutil.Process) -> bool:
        """Return whether a process alone responds: the others are paused meanwhile."""
        others = [each for each in self.supervisor.children() if each != process]
        with paused(others):
            return self.ask() == 200

    def counted(self) -> float:
        """Return how many requests the apis count that `ask` has got responses to."""
        found = samples(httpx.get(f"{self.address}/metrics", timeout=PATIENCE_SECONDS).text)
        return value(found, "normserve_http_requests_total", method="GET", route="/livez", status="2xx")

    def counted_by(self, process: psutil.Process) -> float:
        """Return what one process exports of this."""
        with paused([each for each in self.supervisor.children() if each != process]):
            return self.counted()

    def ask(self, path: str = "/livez", seconds: float = 1.0) -> int | None:
        """Return the status of a request on a connection of its own; None if there is no response."""
        try:
            return httpx.get(f"{self.address}{path}", timeout=seconds).status_code
        except httpx.TransportError:
            return None


@contextmanager
def paused(processes: list[psutil.Process]) -> Iterator[None]:
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


@pytest.fixture
def apis(sqlite_url: str, tmp_path: Path) -> Iterator[Apis]:
    database = Database(sqlite_url)
    schema.upgrade(database.engine)
    database.close()
    apis = Apis(tmp_path, sqlite_url)
    yield apis
    started = [apis.supervisor, *apis.supervisor.children()] if apis.supervisor.is_running() else []
    for process in started:
        process.kill()
    apis.supervisor.wait()


def test_apis_share_a_port_replace_each_other_and_stop_together(apis: Apis) -> None:
    killed, survivor = apis.two()
    asked: Counter[int | None] = Counter()
    stop = threading.Event()

    def ask_until_stopped() -> None:
        while not stop.is_set():
            asked[apis.ask(seconds=PATIENCE_SECONDS)] += 1

    with ThreadPoolExecutor(CLIENTS) as threads:
        for _ in range(CLIENTS):
            threads.submit(ask_until_stopped)
        until(lambda: asked[200] > CLIENTS, "requests")
        kill(killed)
        apis.gone.add(killed.pid)
        before = asked[200]
        until(lambda: asked[200] > before + CLIENTS, "requests after the death")
        until(lambda: len(apis.supervisor.children()) == 2, "another api")
        stop.set()

    # Each client may have had one request in flight.
    assert (asked.keys() <= {200, None}, asked[None] <= CLIENTS) == (True, True)
    both = apis.two()
    assert survivor in both

    # The dead one had sent a response to each client, at most, that it had not counted.
    until(lambda: apis.counted() >= asked[200] - CLIENTS, "the requests of both and of the dead one")
    until(lambda: len({apis.counted_by(each) for each in both}) == 1, "both to export the same")

    job_id = httpx.post(f"{apis.address}/jobs", json={}).json()["id"]
    with ThreadPoolExecutor(CLIENTS) as threads:
        path = f"/jobs/{job_id}?wait=60"
        waiting = [threads.submit(apis.ask, path, PATIENCE_SECONDS) for _ in range(CLIENTS)]
        until(lambda: connections(apis) >= CLIENTS, "requests to wait")
        assert len(apis.two()) == 2  # they have read what came before
        stopping = apis.supervisor.children()
        apis.supervisor.send_signal(signal.SIGTERM)

        assert [each.result() for each in waiting] == [200] * CLIENTS
    assert apis.supervisor.wait(PATIENCE_SECONDS) == 0
    assert not any(each.is_running() for each in stopping)
    assert apis.ask() is None


def connections(apis: Apis) -> int:
    """Return how many connections the processes have accepted."""
    found = [each.net_connections("tcp") for each in apis.supervisor.children()]
    return sum(each.status == psutil.CONN_ESTABLISHED for every in found for each in every)
