"""A cluster of separate processes on PostgreSQL: the same weights, whatever part of it dies."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from distributed import Client
from distributed.security import Security

from models.data.digits import Digits
from tests.cluster import Cluster
from tests.fixtures import fresh_database
from tests.process import kill, until
from tests.runs import (
    ENDLESS,
    LONGER,
    SMALL,
    Outcome,
    all_undisturbed,
    assert_invariants,
    moving_again,
    outcome,
    reasons_of,
    undisturbed,
)

SHAPES: list[dict[str, Any]] = [
    {"norm": "weight", "init": True},
    {"norm": "batch", "optimizer": "momentum", "learning_rate": 0.01},
    {"norm": "layer", "n_hidden": 2, "n_units": 64, "activation": "tanh"},
    {"norm": "none", "optimizer": "adam", "learning_rate": 0.001, "sampling": "epoch"},
]
WAITS = b"another dispatcher has this database"
MANY = [{**shape, "seed": seed, "steps": 100} for seed in range(10) for shape in SHAPES]


@pytest.fixture(scope="module")
def only_cluster(
    service_data: Path, postgresql_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), service_data, fresh_database(postgresql_url))
    cluster.start()
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(only_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster of all these tests; the invariants hold after each."""
    only_cluster.log_begins = only_cluster.log.stat().st_size
    yield only_cluster
    only_cluster.release()
    assert_invariants(only_cluster.database_url)


@pytest.fixture
def reference(digits: Digits) -> Outcome:
    return undisturbed(digits, SMALL)


def test_a_cluster_trains_to_the_same_weights(cluster: Cluster, digits: Digits) -> None:
    specs: list[dict[str, Any]] = [{"norm": "weight", "seed": seed, "steps": 200} for seed in range(6)]

    jobs = [cluster.submit(**spec) for spec in specs]

    assert [outcome(cluster, job) for job in jobs] == all_undisturbed(digits, specs)


@pytest.mark.parametrize("n_jobs", [20, pytest.param(40, marks=pytest.mark.long)])
def test_four_workers_train_many_jobs_to_the_weights_of_undisturbed_runs(
    cluster: Cluster, digits: Digits, n_jobs: int
) -> None:
    """Another machine joins with two workers, and leaves again."""
    cluster.run("another machine", "worker")
    cluster.wait_for_workers(4)

    jobs = [cluster.submit(**spec) for spec in MANY[:n_jobs]]

    found = [outcome(cluster, job) for job in jobs]
    assert found == all_undisturbed(digits, MANY[:n_jobs])
    assert len({weights for weights, _ in found}) == n_jobs
    assert cluster.terminate_part("another machine") == 0


def test_a_scheduler_that_is_killed_and_started_again_changes_nothing(
    cluster: Cluster, reference: Outcome
) -> None:
    jobs = cluster.held(SMALL, SMALL)

    cluster.restart_scheduler()
    cluster.release()

    assert [outcome(cluster, job) for job in jobs] == [reference, reference]


def test_workers_that_are_killed_change_nothing(cluster: Cluster, reference: Outcome) -> None:
    [job] = cluster.held(SMALL)

    for worker in cluster.holding():
        kill(worker)
    cluster.release()

    assert outcome(cluster, job) == reference
    assert cluster.job(job)["attempt"] == 2
    assert sorted(faults(cluster)) == ["a worker died; another one starts", "worker lost"]


def faults(cluster: Cluster) -> list[str]:
    """Return the warnings and errors that have been logged since the test began."""
    lines = [json.loads(line) for line in cluster.said().splitlines() if line.startswith(b"{")]
    return [line["event"] for line in lines if line["level"] in {"warning", "error"}]


def test_a_job_whose_worker_was_killed_does_not_wait_for_the_end_of_another(cluster: Cluster) -> None:
    jobs = cluster.held(ENDLESS, ENDLESS)
    cluster.release()

    kill(cluster.workers()[0])

    assert moving_again(cluster, jobs) in jobs
    for job in jobs:
        cluster.cancel(job)


def test_workers_that_are_stopped_in_order_hand_their_jobs_back(cluster: Cluster, digits: Digits) -> None:
    job = cluster.submit(**LONGER)
    cluster.moving(job)

    code = cluster.terminate_part("worker")
    cluster.run("worker", "worker")

    assert (code, outcome(cluster, job)) == (0, undisturbed(digits, LONGER))
    handed_back = ["claimed", "handed back to stop"]
    assert reasons_of(cluster, job) == ["submitted", *handed_back, "claimed", "finished"]


def test_a_second_dispatcher_takes_over_from_one_that_is_killed(cluster: Cluster, reference: Outcome) -> None:
    [job] = cluster.held(SMALL)
    ready, waits = (cluster.log.read_bytes().count(said) for said in (b"dispatcher ready", WAITS))
    cluster.run("standby", "dispatch")
    until(lambda: cluster.log.read_bytes().count(WAITS) > waits, "the second to stand by")

    cluster.kill_part("dispatcher")
    cluster.release()

    assert outcome(cluster, job) == reference
    until(lambda: cluster.log.read_bytes().count(b"dispatcher ready") == ready + 1, "the second")


def test_no_port_that_others_can_reach_speaks_plain_http(cluster: Cluster) -> None:
    """Dask's scheduler would open one on all interfaces."""
    listening = {
        connection.laddr
        for process in cluster.processes()
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }

    ports = {address.port for address in listening if address.ip != "127.0.0.1"}
    assert cluster.scheduler_port not in ports
    for port in ports:
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/sitemap.json")


def test_a_stranger_without_a_certificate_is_refused(cluster: Cluster) -> None:
    with pytest.raises(OSError, match=r"(?i)ssl|tls|timed out|closed"):
        Client(  # type: ignore[no-untyped-call] # distributed's is untyped
            cluster.environment["NORMSERVE_SCHEDULER"],
            security=Security.temporary(),  # type: ignore[no-untyped-call] # the same
            timeout="5s",
            set_as_default=False,
        )
