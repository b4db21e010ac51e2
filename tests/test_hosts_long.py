"""A cluster of five hosts, of which some are cut off for a while: nothing is lost, and the log tells it."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from models.data.digits import Digits
from service.store import schema
from service.store.database import Database
from tests import postgresql
from tests.cluster import Cluster
from tests.fixtures import Figure
from tests.hosts import Hosts
from tests.process import until
from tests.runs import assert_invariants, outcome, undisturbed

pytestmark = pytest.mark.long

CUT_SECONDS = 40
SPECS: list[dict[str, Any]] = [
    {"norm": norm, "init": True, "n_units": n_units, "steps": 3000, "eval_every": 1000}
    for norm in ("weight", "batch")
    for n_units in (400, 408)
]
CUTS = {
    "workers from the scheduler": [("workers-1", "scheduler")],
    "workers from the database": [("workers-1", "postgresql")],
    "workers from both": [("workers-1", "scheduler"), ("workers-1", "postgresql")],
    "dispatcher from the scheduler": [("dispatcher", "scheduler")],
    "dispatcher from the database": [("dispatcher", "postgresql")],
    "dispatcher from both": [("dispatcher", "scheduler"), ("dispatcher", "postgresql")],
}
TOLD = {
    "workers from the scheduler": [b"worker lost"],
    "workers from the database": [b"waiting for the database"],
    "workers from both": [b"worker lost", b"waiting for the database"],
    "dispatcher from the scheduler": [b"scheduler unreachable"],
    "dispatcher from the database": [b"dispatcher lock lost"],
    "dispatcher from both": [b"scheduler unreachable", b"dispatcher lock lost"],
}


class SpreadCluster(Cluster):
    """Each part on the host of its name; the api on the one where the tests run."""

    worker_parts = ("workers-1", "workers-2")

    def __init__(self, hosts: Hosts, folder: Path, cache: Path, database_url: str) -> None:
        super().__init__(folder, cache, database_url, hosts.address("scheduler"))
        self.hosts = hosts

    def on(self, part: str) -> list[str]:
        return self.hosts.on(part) if part in self.hosts.names else []


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    with Hosts("postgresql", "scheduler", "workers-1", "workers-2", "dispatcher") as hosts:
        yield hosts


@pytest.fixture(scope="module")
def cluster(
    hosts: Hosts, service_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SpreadCluster]:
    address = hosts.address("postgresql")
    with postgresql.server(address, on=hosts.on("postgresql")) as server_url:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute("ALTER ROLE postgres PASSWORD 'hosts'")
        url = f"postgresql://postgres:hosts@{address}/postgres"
        migrate(url)
        cluster = SpreadCluster(hosts, tmp_path_factory.mktemp("hosts"), service_data, url)
        cluster.start()
        yield cluster
        cluster.close()
        assert_invariants(url)


def migrate(url: str) -> None:
    database = Database(url)
    schema.upgrade(database.engine)
    database.close()


@pytest.fixture(scope="module")
def references(digits: Digits) -> list[tuple[str, list[float]]]:
    return [undisturbed(digits, spec) for spec in SPECS]


@pytest.mark.parametrize("cut", CUTS)
def test_a_host_that_is_cut_off_changes_nothing(
    cluster: SpreadCluster, references: Any, figure: Figure, cut: str
) -> None:
    said = len(cluster.log.read_bytes())
    jobs = [cluster.submit(**spec) for spec in SPECS]
    until(lambda: sum(cluster.job(job)["status"] == "running" for job in jobs) == 4, "every slot to be taken")
    cluster.moving(jobs[0])

    with ExitStack() as stack:
        for one, other in CUTS[cut]:
            stack.enter_context(cluster.hosts.cut(one, other))
        time.sleep(CUT_SECONDS)  # how long the cut lasts is what is tested

    ended = [outcome(cluster, job) for job in jobs]
    log = cluster.log.read_bytes()[said:]
    equal = sum(one == other for one, other in zip(ended, references, strict=True))
    figure(f"jobs with the bits of an undisturbed run, {cut} cut off", equal, str(len(jobs)))
    assert ended == references
    assert [told for told in TOLD[cut] if told not in log] == []
    until(lambda: cluster.client.get("/readyz").json()["workers"] == 4, "all workers to be back")
