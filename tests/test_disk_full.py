"""A disk that is full refuses new work, answers reads, and loses nothing: with room, all goes on."""

import os
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.data.digits import Digits
from tests.fixtures import Figure
from tests.process import PATIENCE_SECONDS, Service, until
from tests.runs import ENDLESS, assert_invariants, outcome, undisturbed

SMALL_MB = 8
MORE_MB = 24
"""More than the jobs of a test, their log and what clients post meanwhile take."""
ROUNDS = 5
SPEC = {"norm": "batch", "init": True, "eval_every": 1000, "checkpoint_every": 1000}
POSTED = {**ENDLESS, "n_units": 8}
ACCEPTED = (201, "", "")
REFUSED = (503, "storage-full", "30")


class Disk:
    """A disk in memory, whose size can be changed while it is used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resize(self, megabytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={megabytes}m", self.folder], check=True)

    def fill(self) -> None:
        """Take all that is free."""
        filler = os.open(self.folder / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            while os.write(filler, bytes(4096)):
                pass
        except OSError:
            os.close(filler)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    # Only root may: others run unshare --map-root-user --mount pytest.
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_MB}m", "tmpfs", folder], check=True)
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def service(disk: Disk, service_data: Path, tmp_path: Path) -> Iterator[Service]:
    """A service of which only the database is on that disk; the invariants hold after the test."""
    url = f"sqlite:///{disk.folder}/normserve.db"
    service = Service(tmp_path, service_data, NORMSERVE_DATABASE_URL=url)
    service.start()
    yield service
    service.close()
    assert_invariants(url)


class Clients:
    """Clients that post and read as fast as they are answered."""

    def __init__(self, service: Service, job_id: str) -> None:
        job = f"/jobs/{job_id}"
        self.reads = ["/jobs", job, f"{job}/metrics?limit=10", f"{job}/checkpoints", "/queue", "/readyz"]
        self.base_url = service.client.base_url
        self.accepted: list[str] = []
        self.posts: Counter[tuple[int, str, str]] = Counter()
        self.answers: Counter[int] = Counter()
        self.outcomes: list[tuple[str, list[float]]] = []
        """Of the jobs that were trained meanwhile."""
        self.stop = threading.Event()

    def post(self, client: httpx.Client) -> None:
        answer = client.post("/jobs", json=POSTED)
        body = answer.json()
        code, retry_after = body.get("code", ""), answer.headers.get("retry-after", "")
        self.posts[answer.status_code, code, retry_after] += 1
        self.accepted += [body["id"]] if answer.status_code == 201 else []

    def read(self, client: httpx.Client) -> None:
        self.answers.update([client.get(path).status_code for path in self.reads])

    def _repeat(self, ask: Callable[[httpx.Client], None]) -> None:
        with httpx.Client(base_url=self.base_url, timeout=PATIENCE_SECONDS) as client:
            while not self.stop.is_set():
                ask(client)

    @contextmanager
    def asking(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._repeat, args=(ask,)) for ask in (self.post, self.read)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()


def waiting_for_room(service: Service) -> int:
    """How often a worker or the dispatcher has found the disk full."""
    return service.log.read_bytes().count(b"has no room left")


def fill_and_enlarge(service: Service, disk: Disk, megabytes: int, specs: list[dict[str, Any]]) -> Clients:
    """Fill the disk while jobs are trained and clients ask, and enlarge it once everybody has noticed."""
    jobs = [service.submit(**spec) for spec in specs]
    service.moving(jobs[0])
    clients = Clients(service, jobs[0])
    with clients.asking():
        before = waiting_for_room(service)
        disk.fill()
        until(lambda: clients.posts[REFUSED] > 20, "posts to be refused")
        until(lambda: waiting_for_room(service) > before + 1, "workers to wait")
        asked = clients.answers.total()
        until(lambda: clients.answers.total() > asked + 20, "reads")
    disk.resize(megabytes)
    clients.outcomes = [outcome(service, job_id) for job_id in jobs]
    for job_id in clients.accepted:
        service.cancel(job_id)
    return clients


def specs_of(steps: int, seeds: range) -> list[dict[str, Any]]:
    return [{**SPEC, "steps": steps, "seed": seed} for seed in seeds]


def test_jobs_go_on_when_a_full_disk_has_room_again(service: Service, disk: Disk, digits: Digits) -> None:
    specs = specs_of(1500, range(2))

    clients = fill_and_enlarge(service, disk, SMALL_MB + MORE_MB, specs)

    assert clients.outcomes == [undisturbed(digits, spec) for spec in specs]
    assert clients.posts.keys() <= {ACCEPTED, REFUSED}
    assert clients.answers.keys() == {200}
    assert b"a process died" not in service.log.read_bytes()


@pytest.mark.long
def test_a_disk_that_is_full_again_and_again_loses_nothing(
    service: Service, disk: Disk, digits: Digits, figure: Figure
) -> None:
    specs = specs_of(4000, range(4))

    rounds = [
        fill_and_enlarge(service, disk, SMALL_MB + number * MORE_MB, specs) for number in range(1, 1 + ROUNDS)
    ]

    posts = sum((clients.posts for clients in rounds), Counter())
    answers = sum((clients.answers for clients in rounds), Counter())
    figure("answers to posts on a full disk", dict(posts), f"only {ACCEPTED} and {REFUSED}")
    figure("answers to reads on a full disk", dict(answers), "only 200")
    assert posts.keys() <= {ACCEPTED, REFUSED}
    assert answers.keys() == {200}
    expected = [undisturbed(digits, spec) for spec in specs]
    assert [clients.outcomes for clients in rounds] == [expected] * ROUNDS
    assert b"a process died" not in service.log.read_bytes()
