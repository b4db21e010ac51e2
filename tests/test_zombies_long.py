"""Workers and dispatchers that are paused until others have their work, and wake up: nothing changes."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.data.digits import Digits
from service.store import counters
from service.store.database import Database
from service.store.invariants import check_invariants
from tests.cluster import Cluster
from tests.fixtures import Figure
from tests.process import Service, lives, stalling_after, until
from tests.runs import Outcome, outcome, undisturbed

pytestmark = pytest.mark.long

SPEC = {"norm": "batch", "init": True, "steps": 8000, "eval_every": 2000, "checkpoint_every": 4000}
MACHINES = ("worker", "second", "third")


@pytest.fixture(scope="module")
def reference(digits: Digits) -> Outcome:
    return undisturbed(digits, SPEC)


@pytest.fixture
def service(database: Database, service_data: Path, tmp_path: Path) -> Iterator[Service]:
    url = database.url.render_as_string(hide_password=False)
    service = Service(tmp_path, service_data, NORMSERVE_DATABASE_URL=url, **stalling_after(30))
    service.start()
    yield service
    service.close()


def test_workers_that_are_paused_store_nothing_later(
    service: Service, database: Database, reference: Outcome, figure: Figure
) -> None:
    """Two, four times: the dispatcher ends paused workers of its machine before it takes back their jobs."""
    attempts = [attempt for _ in range(4) for attempt in pause_two_workers(service, reference)]

    violations = check_invariants(database)
    kind = "SQLite" if database.is_sqlite else "PostgreSQL"
    figure(f"violations after 8 paused workers on {kind}", len(violations), "0")
    assert violations == []
    assert len(attempts) == 8
    assert min(attempts) >= 2


def pause_two_workers(service: Service, reference: Outcome) -> list[int]:
    """Pause both workers in training, for ever; answer the attempts of their jobs."""
    until(lambda: len(service.workers()) == 2, "two workers")
    jobs = [service.submit(**SPEC) for _ in range(2)]
    [service.moving(job) for job in jobs]
    time.sleep(random.uniform(0, 1))  # somewhere in a span

    for worker in service.workers():
        worker.suspend()

    assert [outcome(service, job) for job in jobs] == [reference, reference]
    return [service.job(job)["attempt"] for job in jobs]


@pytest.fixture
def cluster(service_data: Path, postgresql_database: Database, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of three machines of one worker."""
    url = postgresql_database.url.render_as_string(hide_password=False)
    cluster = Cluster(tmp_path, service_data, url, NORMSERVE_WORKERS="1")
    cluster.start()
    for machine in MACHINES[1:]:
        cluster.run(machine, "worker")
    yield cluster
    cluster.close()


def test_workers_of_machines_that_are_paused_past_their_time_store_nothing_when_they_wake_up(
    cluster: Cluster, postgresql_database: Database, reference: Outcome, figure: Figure
) -> None:
    """Their nannies are paused with them, so that nothing ends them; two of three machines, four times."""
    taken_over = [pause_two_machines(cluster, reference) for _ in range(4)]

    violations = check_invariants(postgresql_database)
    with postgresql_database.reading() as session:
        fenced = counters.read(session).get("fenced_writes", 0)
    figure("violations after 8 workers woke up whose jobs others had", len(violations), "0")
    figure("fenced writes of these workers", fenced, "at least 1")
    assert violations == []
    assert min(taken_over) >= 2
    assert fenced >= 1


def test_a_dispatcher_that_is_paused_makes_room_for_another_and_changes_nothing_when_it_wakes_up(
    cluster: Cluster, postgresql_database: Database, reference: Outcome, figure: Figure
) -> None:
    cluster.run("standby", "dispatch")
    said(cluster, "another dispatcher has this database", 1)
    jobs = [cluster.submit(**SPEC) for _ in MACHINES]
    [cluster.moving(job) for job in jobs]

    for process in cluster.processes_of("dispatcher"):
        process.suspend()
    said(cluster, "dispatcher ready", 2)
    taken_over = [outcome(cluster, job) for job in jobs]
    jobs = [cluster.submit(**SPEC) for _ in MACHINES]
    for process in cluster.processes_of("dispatcher"):
        process.resume()
    said(cluster, "dispatcher lock lost", 1)

    assert taken_over == [outcome(cluster, job) for job in jobs] == [reference] * 3
    violations = check_invariants(postgresql_database)
    figure("violations after a paused dispatcher woke up while another was active", len(violations), "0")
    assert violations == []


def said(cluster: Cluster, words: str, times: int) -> None:
    """Wait until the log of all parts has these words so many times."""
    until(lambda: cluster.log.read_text().count(words) == times, words)


def pause_two_machines(cluster: Cluster, reference: Outcome) -> int:
    """Pause two of three machines in training until the third has a job of theirs; count those taken over."""
    cluster.wait_for_workers(3)
    jobs = [cluster.submit(**SPEC) for _ in MACHINES]
    [cluster.moving(job) for job in jobs]
    time.sleep(random.uniform(0, 1))  # somewhere in a span

    paused = [process for name in random.sample(MACHINES, 2) for process in cluster.processes_of(name)]
    for process in paused:
        process.suspend()
    until(lambda: any(is_running_again(cluster, job) for job in jobs), "a job to be taken over")
    zombies = [process for process in paused if process in cluster.workers()]
    for process in reversed(paused):
        process.resume()

    assert [outcome(cluster, job) for job in jobs] == [reference] * 3
    until(lambda: not [zombie for zombie in zombies if lives(zombie)], "the workers to be replaced")
    return sum(cluster.job(job)["attempt"] > 1 for job in jobs)


def is_running_again(cluster: Cluster, job_id: str) -> bool:
    job = cluster.job(job_id)
    return (job["status"], job["attempt"]) == ("running", 2)
