"""Requests that schemathesis makes from the description of the API get the responses that it describes."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient

from tests.api import planted
from tests.api.conftest import serving
from tests.api.described import OPERATIONS
from tests.api.fuzzing import DESCRIBED, Fuzzing
from tests.api.refusals import REASONS, WITH_IDEMPOTENCY_KEY, Reason, explained
from tests.fixtures import Figure

Existing = dict[str, Any]


@pytest.fixture(scope="module")
def fuzzed_file(trained_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with a trained job and a comparison that has ended, at two learning rates."""
    path = Path(shutil.copy(trained_file, tmp_path_factory.mktemp("fuzzed") / "normserve.db"))
    with serving(f"sqlite:///{path}", path.parent) as client:
        pointed_model(client)
        planted.comparison(client, lambda *_: 0.9, seeds=2, learning_rates=[0.1, 0.2])
        planted.with_net(client, client.get("/jobs?status=succeeded&norm=weight").json()["items"][0])
    return path


@pytest.fixture
def _denormal_numbers(fuzzed_file: Path) -> Iterator[None]:  # noqa: ARG001 # training flushes them
    """Keep denormal numbers in this thread and those of the API: hypothesis makes no floats without them."""
    torch.set_flush_denormal(False)
    yield
    torch.set_flush_denormal(True)


@pytest.fixture
def fuzzed(fuzzed_file: Path, _denormal_numbers: None, tmp_path: Path) -> Iterator[TestClient]:
    path = shutil.copy(fuzzed_file, tmp_path / "fuzzed.db")
    with serving(f"sqlite:///{path}", tmp_path) as client:
        yield client


def queued_job(client: TestClient) -> Existing:
    return {"job_id": client.post("/jobs", json={}).json()["id"]}


def cancelled_job(client: TestClient) -> Existing:
    existing = queued_job(client)
    client.post("/jobs/{job_id}/cancel".format(**existing))
    return existing


def queued_comparison(client: TestClient) -> Existing:
    created = client.post("/comparisons", json={"arms": [{"name": "a"}, {"name": "b"}], "seeds": 1})
    return {"comparison_id": created.json()["id"]}


def cancelled_comparison(client: TestClient) -> Existing:
    existing = queued_comparison(client)
    client.post("/comparisons/{comparison_id}/cancel".format(**existing))
    return existing


def pointed_model(client: TestClient) -> Existing:
    job = client.get("/jobs?status=succeeded&sort=created_at&limit=1").json()["items"][0]
    for checkpoint in (500, 1000):
        client.put("/models/digits", json={"job": job["id"], "checkpoint": checkpoint})
    return {}


def only_webhook(client: TestClient) -> Existing:
    for webhook in client.get("/webhooks").json()["items"]:
        client.delete(webhook["links"]["self"])
    made = client.post("/webhooks", json={"url": "https://example.org"}).json()
    return {"webhook_id": made["id"], "delivery_id": client.post(made["links"]["test"]).json()["id"]}


CHANGED: dict[str, Callable[[TestClient], Existing]] = {
    **dict.fromkeys((name for name in OPERATIONS if "/webhooks" in name), only_webhook),
    "POST /jobs/{job_id}/cancel": queued_job,
    "DELETE /jobs/{job_id}": cancelled_job,
    "POST /comparisons/{comparison_id}/cancel": queued_comparison,
    "POST /comparisons/{comparison_id}/extend": queued_comparison,
    "DELETE /comparisons/{comparison_id}": cancelled_comparison,
    "DELETE /models/{model_name}": pointed_model,
    "DELETE /models/{model_name}/versions/{version}": pointed_model,
}
"""Operations that cannot be repeated, and how to create something for each request."""


@pytest.fixture
def fuzzing(fuzzed: TestClient, job: dict[str, Any], name: str) -> Fuzzing:
    method, path = name.split()
    with_net, comparison = fuzzed.get("/comparisons").json()["items"]
    comparison = with_net if name == "POST /comparisons/{comparison_id}/predict" else comparison
    kept = {"job_id": job["id"], "other_id": job["id"], "comparison_id": comparison["id"], "which": "latest"}
    kept |= {"name": "mnist", "split": "test", "index": 0, "model_name": "digits", "version": 1}

    def existing() -> Existing:
        ids = {**kept, **(CHANGED[name](fuzzed) if name in CHANGED else {})}
        return {parameter: value for parameter, value in ids.items() if f"{{{parameter}}}" in path}

    return Fuzzing(fuzzed, DESCRIBED[path][method], existing)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_few_requests_go_as_described(fuzzing: Fuzzing, name: str) -> None:
    fuzzing.fuzz(15)

    assert fuzzing.refused - explained(name) == set()


@pytest.mark.long
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_kind_of_request_goes_as_described(fuzzing: Fuzzing, name: str, figure: Figure) -> None:
    fuzzing.fuzz(300)
    fuzzing.send_bounds()

    assert fuzzing.refused - explained(name) == set()
    requests = f"{fuzzing.n_random} random requests, {fuzzing.n_at_bounds} at bounds and beyond"
    figure(name, f"{requests}, {len(fuzzing.refused)} rules beyond the schema", "0 without a reason")


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.rule or reason.problem)
def test_a_reason_is_for_operations_that_exist(reason: Reason) -> None:
    assert {*reason.operations} <= {*OPERATIONS}
    assert reason.reason.endswith(".")


def test_keys_of_all_operations_that_take_them_may_be_used_already() -> None:
    taking = {
        name
        for name, operation in OPERATIONS.items()
        if "Idempotency-Key" in {parameter["name"] for parameter in operation.get("parameters", [])}
    }

    assert taking == {*WITH_IDEMPOTENCY_KEY}


def test_bodies_of_all_kinds_can_be_sent() -> None:
    kinds = {kind for each in OPERATIONS.values() for kind in each.get("requestBody", {}).get("content", {})}

    sendable = {kind for kind in kinds if DESCRIBED.transport.get_first_matching_media_type(kind)}

    assert "image/bmp" in kinds
    assert kinds - sendable == set()
