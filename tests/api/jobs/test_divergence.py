"""A run whose loss stops being a number is a failed job with a readable history."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.data.digits import Digits
from models.specs.spec import TrainSpec
from models.training.checkpoint import dump_net
from models.training.start import build
from tests.api import work
from tests.api.work import problem


@pytest.fixture
def diverged(client: TestClient, digits: Digits) -> dict[str, Any]:
    return work.trained(client, digits, norm="weight", init=True, learning_rate=1e6)


@pytest.fixture
def diverged_late(client: TestClient, digits: Digits) -> dict[str, Any]:
    """One that has checkpoints."""
    return work.trained(client, digits, norm="weight", init=True, learning_rate=1e6, checkpoint_every=1)


def refuse(token: str) -> None:
    raise AssertionError(f"{token} is no JSON")


def test_a_diverged_job_says_where_and_keeps_its_curve(client: TestClient, diverged: dict[str, Any]) -> None:
    rows = client.get(f"/jobs/{diverged['id']}/metrics").json()["items"]
    step = rows[-1]["step"]

    assert (diverged["status"], diverged["status_reason"]) == ("failed", "diverged")
    assert diverged["failure"] == {
        "code": "diverged",
        "message": f"the train loss of step {step} is not finite; "
        f"the first such number appeared in step {step} in layer output, in the inputs times the weights",
        "step": step,
        "layer": "output",
        "quantity": "product",
    }
    assert [row["step"] for row in rows] == list(range(1, step + 1))
    assert [row["step"] for row in rows if row["train_loss"] is None] == [step]
    assert (rows[-1]["non_finite"], diverged["latest"]) == (["train_loss"], rows[-1])


@pytest.mark.slow
def test_no_answer_about_a_diverged_job_has_numbers_that_are_none(
    client: TestClient, diverged_late: dict[str, Any]
) -> None:
    here = f"/jobs/{diverged_late['id']}"
    urls = (here, "/jobs", f"{here}/metrics", f"{here}/metrics?layout=columns", f"{here}/checkpoints")

    answers = [client.get(url) for url in urls]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert all(json.loads(answer.text, parse_constant=refuse) for answer in answers)


def test_a_diverged_job_is_listed_among_the_failed(client: TestClient, diverged: dict[str, Any]) -> None:
    assert client.get("/jobs?status=failed&sort=-test_accuracy").json()["items"] == [diverged]


def test_a_job_that_diverged_before_a_checkpoint_does_not_predict(
    client: TestClient, diverged: dict[str, Any]
) -> None:
    answer = client.post(f"/jobs/{diverged['id']}/predict", json={"images": [[0.5] * 784]})

    assert problem(answer) == (409, "model-not-ready", [])
    assert client.get(f"/jobs/{diverged['id']}/checkpoints").json() == {"items": [], "next_cursor": None}


def test_a_job_that_diverged_keeps_the_finite_checkpoints_before(
    client: TestClient, diverged_late: dict[str, Any]
) -> None:
    newest = client.get(f"/jobs/{diverged_late['id']}/checkpoints/latest").json()
    answer = client.post(f"/jobs/{diverged_late['id']}/predict", json={"images": [[0.5] * 784]})

    assert newest["step"] == diverged_late["failure"]["step"] - 1
    assert newest["test_loss"] is not None
    assert (answer.status_code, answer.json()["model"]["step"]) == (200, newest["step"])


def test_a_net_whose_outputs_are_not_finite_does_not_predict(
    client: TestClient, diverged_late: dict[str, Any]
) -> None:
    spec = TrainSpec(norm="weight", init=True)
    net, _ = build(spec)
    net.tensors()["output.weight"].fill_(3e38)
    work.store_weights(client, diverged_late["id"], dump_net(net, spec), summed=True)

    answer = client.post(f"/jobs/{diverged_late['id']}/predict", json={"images": [[0.5] * 784]})

    assert problem(answer) == (409, "model-diverged", [])
