"""Machines whose clocks differ by hours, and a clock that is set: no worker is lost, no job is repeated."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.store import clock, jobs, queries
from service.store.database import Database
from service.store.pruning import Pruned, prune
from service.store.workers import record_workers
from tests.api import work
from tests.api.conftest import serving
from tests.fixtures import fresh_database
from tests.store.rows import submit

SetClock = Callable[[float], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Set the clock of this machine so many hours ahead."""

    def set_clock(hours: float) -> None:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override] # not a Clock
                return datetime.now(tz) + timedelta(hours=hours)

        monkeypatch.setattr(clock, "datetime", Clock)

    return set_clock


@pytest.fixture
def cluster_client(postgresql_url: str, tmp_path: Path) -> Iterator[TestClient]:
    """The API on PostgreSQL, which has a clock that other machines share."""
    with serving(fresh_database(postgresql_url), tmp_path) as client:
        yield client


def see_workers(client: TestClient, *names: str) -> None:
    with work.database(client).writing() as session:
        record_workers(session, names, clock.now(session))


def n_workers(client: TestClient) -> int:
    found: int = client.get("/readyz").json()["workers"]
    return found


@pytest.mark.parametrize("hours", [-2, 2])
def test_workers_are_present_whatever_the_clock_of_the_dispatchers_machine(
    cluster_client: TestClient, set_clock: SetClock, hours: float
) -> None:
    set_clock(hours)
    see_workers(cluster_client, "first", "second")

    set_clock(0)

    assert n_workers(cluster_client) == 2


@pytest.mark.parametrize("hours", [-25, 25])
def test_a_key_is_known_on_machines_of_other_clocks(
    cluster_client: TestClient, set_clock: SetClock, hours: float
) -> None:
    def submit_on_a_machine(hours: float) -> str:
        set_clock(hours)
        response = cluster_client.post("/jobs", json={}, headers={"Idempotency-Key": "one"})
        job_id: str = response.json()["id"]
        return job_id

    first = submit_on_a_machine(hours)

    assert submit_on_a_machine(0) == first


def test_a_wait_is_measured_by_one_clock(cluster_client: TestClient, set_clock: SetClock) -> None:
    set_clock(-2)
    work.submitted(cluster_client)

    set_clock(0)

    assert cluster_client.get("/queue").json()["oldest_wait_seconds"] == pytest.approx(0, abs=60)


def test_times_of_one_job_are_in_order_whichever_machine_wrote_them(
    cluster_client: TestClient, set_clock: SetClock
) -> None:
    job_id = work.submitted(cluster_client)["id"]
    set_clock(-2)
    claimed = work.claimed(cluster_client, job_id)
    set_clock(2)
    with work.database(cluster_client).writing() as session:
        jobs.requeue_if_running(session, claimed.key, claimed.attempt, "lost", clock.now(session))

    times = [entry["at"] for entry in work.shown(cluster_client, job_id)["transitions"]]
    assert times == sorted(times)


def test_a_clock_that_is_set_hides_workers_only_until_they_are_seen_again(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = [datetime(2026, 11, 28, tzinfo=UTC)]
    monkeypatch.setattr(clock, "now", lambda _session: time[0])
    found = []
    for hours in (0, 1, -1):
        time[0] += timedelta(hours=hours)
        before = n_workers(client)
        see_workers(client, "first")
        found.append((before, n_workers(client)))

    assert found == [(0, 1)] * 3


def test_a_clock_that_is_set_back_lets_a_job_wait_no_negative_time(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = [datetime(2026, 11, 28, tzinfo=UTC)]
    monkeypatch.setattr(clock, "now", lambda _session: time[0])
    work.submitted(client)

    time[0] -= timedelta(hours=1)

    assert client.get("/queue").json()["oldest_wait_seconds"] == 0


def test_the_clock_of_a_database_has_parts_of_a_second(database: Database) -> None:
    with database.reading() as session:
        times = [clock.now(session) for _ in range(20)]

    assert times == sorted(times)
    assert len({time.microsecond for time in times}) > 1
    assert {time.tzinfo and time.utcoffset() for time in times} == {timedelta(0)}


def test_a_job_is_as_old_as_the_database_says(postgresql_database: Database, set_clock: SetClock) -> None:
    set_clock(-48)
    job = submit(postgresql_database)
    with postgresql_database.writing() as session:
        jobs.cancel_if_not_ended(session, job.id, clock.now(session))
    set_clock(48)
    with postgresql_database.reading() as session:
        an_hour_ago = clock.now(session) - timedelta(hours=1)

    assert prune(postgresql_database, an_hour_ago) == Pruned()
    with postgresql_database.reading() as session:
        assert queries.queue(session).queued == 0


def test_no_other_module_reads_the_time_of_its_machine() -> None:
    read = re.compile(r"datetime\.now\(|utcnow\(|\btime\.time\(|date\.today\(")
    service = Path(__file__).parents[2] / "service"

    readers = {
        str(path.relative_to(service)) for path in service.rglob("*.py") if read.search(path.read_text())
    }

    dated = {"json_lines.py", "api/shared/streams.py", "webhooks/delivering.py"}  # logs, pings, signatures
    assert readers == {"store/clock.py", "work/certificates.py", *dated}
