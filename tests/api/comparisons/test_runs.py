"""The runs of a comparison over HTTP: one row each, with the figures of their last step."""

import csv
from io import StringIO
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api import planted, work


@pytest.fixture
def created(client: TestClient) -> dict[str, Any]:
    """Two arms at two rates, of which none diverges at the higher one."""
    return planted.comparison(
        client,
        lambda arm, seed, rate: None if (arm, rate) == ("none", 1) else 0.9 + 0.01 * seed,
        seeds=2,
        learning_rates=[1, 0.1],
    )


def test_a_run_has_the_figures_of_its_last_step(client: TestClient, created: dict[str, Any]) -> None:
    found = client.get(created["links"]["runs"]).json()

    first, diverged = found["runs"][0], found["runs"][2]
    job = client.get(f"/jobs/{first['job_id']}").json()
    assert (found["comparison_id"], found["complete"]) == (created["id"], True)
    assert first == {
        "arm": "none",
        "seed": 0,
        "learning_rate": 0.1,
        "job_id": job["id"],
        "status": "succeeded",
        "step": 100,
        "train_loss": 0.01,
        "train_accuracy": 0.9,
        "validation_loss": pytest.approx(0.1),
        "validation_accuracy": 0.9,
        "test_loss": pytest.approx(0.1),
        "test_accuracy": 0.9,
        "train_seconds": 0.1,
        "diverged": False,
        "at_chance": False,
        "failure_code": None,
    }
    assert (job["arm"], job["seed"], job["learning_rate"]) == ("none", 0, 0.1)
    assert diverged == {
        **dict.fromkeys(first),
        "arm": "none",
        "seed": 0,
        "learning_rate": 1.0,
        "job_id": diverged["job_id"],
        "status": "failed",
        "step": 60,
        "train_accuracy": 0.5,
        "train_seconds": 0.06,
        "diverged": True,
        "at_chance": False,
        "failure_code": "diverged",
    }


def test_runs_are_sorted_by_arm_rate_and_seed(client: TestClient, created: dict[str, Any]) -> None:
    found = client.get(created["links"]["runs"]).json()["runs"]

    assert [(run["arm"], run["learning_rate"], run["seed"]) for run in found] == [
        (arm, rate, seed) for arm in ("none", "batch") for rate in (0.1, 1.0) for seed in (0, 1)
    ]


def test_runs_that_have_not_begun_are_there_too(client: TestClient) -> None:
    created = client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 1}).json()
    first, _ = planted.waiting(client, created)
    work.record(client, work.claimed(client, first["id"]), *planted.history(0.9, 7))

    found = client.get(created["links"]["runs"]).json()

    assert found["complete"] is False
    assert [(run["status"], run["step"], run["train_accuracy"]) for run in found["runs"]] == [
        ("running", 7, pytest.approx(0.9 * 7 / 20)),
        ("queued", 0, None),
    ]


def test_runs_are_a_table_too(client: TestClient, created: dict[str, Any]) -> None:
    shown = client.get(created["links"]["runs"]).json()["runs"]

    answer = client.get(created["links"]["runs"], headers={"accept": "text/csv"})

    rows = [*csv.DictReader(StringIO(answer.text))]
    assert answer.headers["content-type"].startswith("text/csv")
    assert rows == [
        {name: "" if value is None else str(value) for name, value in run.items()} for run in shown
    ]


def test_runs_that_the_client_has_are_not_sent_again(client: TestClient, created: dict[str, Any]) -> None:
    url = created["links"]["runs"]
    etag = client.get(url).headers["etag"]

    again = client.get(url, headers={"if-none-match": etag})
    client.post(f"{created['links']['self']}/extend", json={"seeds": 3})
    extended = client.get(url, headers={"if-none-match": etag})

    assert (again.status_code, extended.status_code) == (304, 200)


@pytest.mark.slow
def test_the_most_runs_that_there_can_be_are_one_answer(client: TestClient) -> None:
    created = client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 500}).json()

    assert len(client.get(created["links"]["runs"]).json()["runs"]) == 1000
