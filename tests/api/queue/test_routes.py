"""The queue as a whole, and the workers that are reported and decide nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from service.store import jobs
from service.store.tables import JobTransition
from service.store.workers import record_workers
from tests.api import work

NOTHING = {"queued": 0, "running": 0, "slots": 0, "workers": 0, "oldest_wait_seconds": None}


def see_workers(client: TestClient, *names: str) -> None:
    with work.database(client).writing() as session:
        record_workers(session, names, datetime.now(UTC))


def waited(client: TestClient, **ago: float) -> str:
    """A job that was submitted some time ago."""
    job_id: str = work.submitted(client)["id"]
    with work.database(client).writing() as session:
        queued = jobs.get(session, job_id)
        transition = session.scalars(select(JobTransition).where(JobTransition.job_key == queued.key)).one()
        transition.at -= timedelta(**ago)
    return job_id


def test_an_empty_queue_has_nobody_waiting(client: TestClient) -> None:
    assert client.get("/queue").json() == NOTHING


def test_what_waits_and_runs_is_counted(client: TestClient) -> None:
    ended, running, *_ = (work.submitted(client)["id"] for _ in range(5))
    client.post(f"/jobs/{ended}/cancel")
    work.claimed(client, running)
    see_workers(client, "first", "second")

    answer = client.get("/queue").json()

    counts = {"queued": 3, "running": 1, "slots": 2, "workers": 2}
    assert {name: answer[name] for name in counts} == counts


def test_the_longest_wait_is_told(client: TestClient) -> None:
    waited(client, hours=1)
    waited(client, hours=2)

    assert client.get("/queue").json()["oldest_wait_seconds"] == pytest.approx(7200, abs=60)


def test_a_job_that_was_put_back_waits_since_then(client: TestClient) -> None:
    job_id = waited(client, hours=2)
    attempt = work.claimed(client, job_id)
    with work.database(client).writing() as session:
        jobs.requeue_if_running(session, attempt.key, attempt.attempt, "lost", datetime.now(UTC))

    assert client.get("/queue").json()["oldest_wait_seconds"] == pytest.approx(0, abs=60)


@pytest.mark.parametrize("names", [(), ("first", "second")], ids=["none", "two"])
def test_readiness_reports_the_workers_and_needs_none(client: TestClient, names: tuple[str, ...]) -> None:
    see_workers(client, *names)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["workers"]) == (200, len(names))
