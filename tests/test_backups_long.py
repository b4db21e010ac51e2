"""Backups made again and again while everything runs: each is whole, and the last one goes on."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from models.data.digits import Digits
from service.store.database import Database
from service.store.invariants import check_invariants
from tests.fixtures import Figure
from tests.process import PATIENCE_SECONDS, Service
from tests.runs import outcome, reasons_of, undisturbed
from tests.store.rows import ids_of

pytestmark = pytest.mark.long

BACKUPS = 12
EVERY_SECONDS = 5
LONG = {"norm": "weight", "init": True, "n_hidden": 2, "n_units": 512, "steps": 10_000, "eval_every": 10_000}
LAST = {"norm": "batch", "init": True, "steps": 10_000, "eval_every": 5000, "checkpoint_every": 5000}
SMALL = {"norm": "layer", "n_units": 8, "steps": 50, "eval_every": 50, "checkpoint_every": 50}

Run = Callable[[Path, str], Service]


@pytest.fixture
def run(service_data: Path) -> Iterator[Run]:
    """Start services; the invariants hold of each after the test."""
    started: list[Service] = []

    def run_on(folder: Path, url: str) -> Service:
        folder.mkdir()
        started.append(service := Service(folder, service_data, NORMSERVE_DATABASE_URL=url))
        service.start()
        return service

    yield run_on
    for service in started:
        service.close()
    urls = [service.environment["NORMSERVE_DATABASE_URL"] for service in started]
    assert [violations(url, set()) for url in urls] == [[]] * len(urls)


class Client:
    """Posts small jobs one after another and keeps the ids that were answered."""

    def __init__(self, service: Service) -> None:
        self.base_url = service.client.base_url
        self.acknowledged: list[str] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.post)

    def post(self) -> None:
        with httpx.Client(base_url=self.base_url, timeout=PATIENCE_SECONDS) as client:
            while not self.stop.wait(0.1):  # one worker keeps up with ten a second
                self.acknowledged.append(client.post("/jobs", json=SMALL).json()["id"])

    def __enter__(self) -> "Client":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()


class Backup(NamedTuple):
    """A backup, and the jobs that were acknowledged before it was begun."""

    file: Path
    acknowledged: set[str]


def normserve(command: str, file: Path, url: str) -> None:
    """Back up or restore as an operator does."""
    environment = {**os.environ, "NORMSERVE_DATABASE_URL": url, "NORMSERVE_DATA_DIR": str(file.parent)}
    subprocess.run([sys.executable, "-m", "service", command, file], env=environment, check=True)


def back_up(url: str, client: Client, file: Path) -> Backup:
    acknowledged = set(client.acknowledged)
    normserve("backup", file, url)
    return Backup(file, acknowledged)


def back_up_later(url: str, client: Client, file: Path) -> Backup:
    time.sleep(EVERY_SECONDS)  # the pace of the backups: nothing is waited for
    return back_up(url, client, file)


def violations(url: str, acknowledged: set[str]) -> list[str]:
    """What is wrong in a database, jobs that it lacks included."""
    database = Database(url)
    found = [*check_invariants(database), *(acknowledged - ids_of(database))]
    database.close()
    return found


def restored(backup: Backup, url: str) -> str:
    """Restore a backup into a new place; answer its URL."""
    normserve("restore", backup.file, url)
    return url


def test_every_backup_of_a_service_at_work_can_be_restored_and_the_last_goes_on(
    run: Run,
    database_url: str,
    another_url: Callable[[], str],
    digits: Digits,
    figure: Figure,
    tmp_path: Path,
) -> None:
    service = run(tmp_path / "service", database_url)
    long_id = service.submit(**LONG)
    service.moving(long_id)
    with Client(service) as client:
        files = [tmp_path / f"{number}.backup" for number in range(BACKUPS)]
        backups = [back_up_later(database_url, client, file) for file in files[:-1]]
        last_id = service.submit(**LAST)
        service.moving(last_id)
        backups.append(back_up(database_url, client, files[-1]))

    urls = [restored(backup, another_url()) for backup in backups]
    found = [
        violations(url, backup.acknowledged | {long_id}) for url, backup in zip(urls, backups, strict=True)
    ]
    again = run(tmp_path / "restored", urls[-1])

    expected = [undisturbed(digits, spec) for spec in (LONG, LAST)]
    kind = "PostgreSQL" if database_url.startswith("postgresql") else "SQLite"
    figure(f"backups of {kind} restored without a violation", found.count([]), f"{BACKUPS} of {BACKUPS}")
    figure(f"acknowledged jobs in the last backup of {kind}", len(backups[-1].acknowledged), "all found")
    assert found == [[]] * BACKUPS
    assert [outcome(again, job_id) for job_id in (long_id, last_id)] == expected
    assert reasons_of(again, last_id)[2] == "the dispatcher started again"
    assert [outcome(service, job_id) for job_id in (long_id, last_id)] == expected
