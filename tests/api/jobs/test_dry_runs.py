"""Dry runs: what a job would cost, and nothing stored."""

from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.specs.estimate import Speed, run_seconds
from models.specs.spec import TrainSpec
from models.specs.written import written_bytes
from service.store import machines
from tests.api.work import database, problem

URL = "/jobs?dry_run=true"


def measured(client: TestClient, name: str, speed: Speed, day: int) -> None:
    with database(client).writing() as session:
        machines.record(session, name, "2.13.0", "AVX2", speed, datetime(2026, 11, day, tzinfo=UTC))


def test_a_dry_run_tells_the_cost_and_stores_nothing(client: TestClient) -> None:
    answer = client.post(URL, json={"norm": "batch"}, headers={"Idempotency-Key": "once"})

    spec = TrainSpec(norm="batch")
    assert (answer.status_code, "Location" in answer.headers) == (200, False)
    assert answer.json() == {
        "spec": spec.model_dump(),
        "parameters": 784 * 128 + 2 * 128 + 128 * 10 + 10,
        "checkpoint_bytes": 4 * (784 * 128 + 4 * 128 + 128 * 10 + 10),
        "memory_bytes": spec.run_bytes(),
        "written_bytes": written_bytes(spec),
        "estimated_seconds": None,
        "measured": None,
        "warnings": [],
    }
    assert client.get("/jobs").json()["items"] == []
    assert client.post("/jobs", json={}, headers={"Idempotency-Key": "once"}).status_code == 201


@pytest.mark.slow
def test_the_seconds_are_those_of_the_machine_measured_last(client: TestClient) -> None:
    slow, fast = Speed(1e-4, 1e-9, 1e-8), Speed(1e-6, 1e-11, 1e-10)
    measured(client, "slow", slow, day=20)
    measured(client, "fast", fast, day=22)
    measured(client, "slow", slow, day=21)

    answer = client.post(URL, json={}).json()

    assert answer["estimated_seconds"] == pytest.approx(run_seconds(TrainSpec(), fast), abs=1e-3)
    assert answer["measured"] == {
        "torch_version": "2.13.0",
        "cpu_capability": "AVX2",
        "measured_at": "2026-11-22T00:00:00Z",
    }


def test_a_dry_run_carries_the_warnings_of_the_spec(client: TestClient) -> None:
    answer = client.post(URL, json={"norm": "weight", "init": True, "weight_std": 0.01})

    assert [warning["code"] for warning in answer.json()["warnings"]] == ["large_effective_step"]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"steps": 0}, ["/steps"]),
        ({"stps": 7}, ["/stps"]),
        ({"n_units": 4096, "n_hidden": 8}, ["/n_units", "/n_hidden"]),
    ],
    ids=str,
)
def test_a_dry_run_refuses_what_a_submission_refuses(
    client: TestClient, body: dict[str, Any], pointers: list[str]
) -> None:
    refused, dry = client.post("/jobs", json=body), client.post(URL, json=body)

    assert problem(dry) == problem(refused) == (422, problem(dry)[1], pointers)


def test_a_spec_over_the_budget_is_told_what_it_needs_and_what_is_allowed(client: TestClient) -> None:
    [place, _] = client.post(URL, json={"n_units": 4096, "n_hidden": 8}).json()["errors"]

    needed = TrainSpec.model_construct(
        **TrainSpec().model_dump() | {"n_units": 4096, "n_hidden": 8}
    ).run_bytes()
    assert (place["code"], str(needed) in place["message"], str(2**30) in place["message"]) == (
        "budget_exceeded",
        True,
        True,
    )


@pytest.mark.parametrize("url", ["/jobs", URL])
def test_a_job_that_would_fill_a_disk_is_refused_with_both_figures(client: TestClient, url: str) -> None:
    body: dict[str, Any] = {
        "steps": 1_000_000,
        "eval_every": 1,
        "checkpoint_every": 1,
        "telemetry": True,
        "n_units": 1024,
    }

    answer = client.post(url, json=body)

    needed, allowed = written_bytes(TrainSpec(**body)), client.get("/limits").json()["max_written_bytes"]
    assert problem(answer) == (422, "validation-error", ["/steps", "/checkpoint_every"])
    assert f"about {needed} bytes" in answer.json()["detail"]
    assert f"at most {allowed} are" in answer.json()["detail"]
