"""Jobs are cancelled and deleted."""

from typing import Any

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from models.data.digits import Digits
from service.store.sweeping import sweep_all
from service.store.tables import Checkpoint, Job, JobTransition, Metric, ResumeState
from tests.api import work
from tests.api.work import problem, submitted

TABLES = (Job, JobTransition, Metric, Checkpoint, ResumeState)
PIXELS = {"images": [[0.5] * 784]}


def test_a_queued_job_is_cancelled_and_again(client: TestClient) -> None:
    job = submitted(client)

    first = client.post(f"/jobs/{job['id']}/cancel")
    second = client.post(f"/jobs/{job['id']}/cancel")

    assert (first.status_code, first.json()["status"], first.json()["queue_position"]) == (
        200,
        "cancelled",
        None,
    )
    assert (second.status_code, second.json()) == (200, first.json())


def test_a_running_job_that_is_cancelled_keeps_what_it_has(client: TestClient, digits: Digits) -> None:
    job = work.begun(client, digits, checkpoint_every=1)

    answer = client.post(f"/jobs/{job['id']}/cancel")

    history = client.get(f"/jobs/{job['id']}/metrics").json()["items"]
    latest = client.get(f"/jobs/{job['id']}/checkpoints/latest").json()
    assert (answer.json()["status"], answer.json()["latest"]) == ("cancelled", job["latest"])
    assert (len(history), latest["step"]) == (job["progress"]["step"], job["progress"]["step"])


def test_a_job_that_has_succeeded_is_not_cancelled(client: TestClient, finished: dict[str, Any]) -> None:
    answer = client.post(f"/jobs/{finished['id']}/cancel")

    assert problem(answer) == (409, "job-ended", [])
    assert client.get(f"/jobs/{finished['id']}").json() == finished


@pytest.mark.parametrize("status", ["queued", "running"])
def test_a_job_that_has_not_ended_is_not_deleted(client: TestClient, digits: Digits, status: str) -> None:
    job = {"queued": submitted, "running": lambda client: work.begun(client, digits)}[status](client)

    answer = client.delete(f"/jobs/{job['id']}")

    assert problem(answer) == (409, "job-not-ended", [])
    assert client.get(f"/jobs/{job['id']}").json() == job


def test_a_deleted_job_frees_its_bytes_and_every_row(client: TestClient, finished: dict[str, Any]) -> None:
    listed = client.get(f"/jobs/{finished['id']}/checkpoints").json()["items"]

    answer = client.delete(f"/jobs/{finished['id']}")

    freed = sum(checkpoint["size_bytes"] for checkpoint in listed)
    assert (answer.status_code, answer.json()) == (200, {"id": finished["id"], "freed_bytes": freed})
    sweep_all(work.database(client), lambda _: None)
    with work.database(client).reading() as session:
        assert [session.scalar(select(func.count()).select_from(table)) for table in TABLES] == [0] * 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("GET", "/metrics"),
        ("GET", "/metrics?format=csv"),
        ("GET", "/checkpoints"),
        ("GET", "/checkpoints/latest"),
        ("GET", "/checkpoints/1000/weights"),
        ("POST", "/predict"),
        ("POST", "/predict?checkpoint=1000"),
    ],
    ids=str,
)
def test_a_deleted_job_is_found_nowhere(
    copied: TestClient, job: dict[str, Any], method: str, path: str
) -> None:
    url = f"/jobs/{job['id']}"
    body = {"PATCH": {}, "POST": PIXELS}.get(method) if not path.endswith("cancel") else None
    before = copied.post(f"{url}/predict", json=PIXELS)
    copied.delete(url)

    answer = copied.request(method, f"{url}{path}", json=body)

    assert (before.status_code, problem(answer)) == (200, (404, "job-not-found", []))


def test_a_deleted_job_is_not_listed(client: TestClient, finished: dict[str, Any]) -> None:
    client.delete(f"/jobs/{finished['id']}")

    assert client.get("/jobs").json() == {"items": [], "next_cursor": None}


def test_one_net_of_two_jobs_is_still_served_when_one_is_deleted(client: TestClient, digits: Digits) -> None:
    first, second = (work.trained(client, digits, norm="batch", steps=3) for _ in range(2))
    url = f"/jobs/{second['id']}/predict"
    before = [client.post(f"/jobs/{job['id']}/predict", json=PIXELS).json() for job in (first, second)]

    client.delete(f"/jobs/{first['id']}")

    assert first["weights_sha256"] == second["weights_sha256"]
    assert before[0]["predictions"] == before[1]["predictions"]
    assert client.post(url, json=PIXELS).json() == before[1]
