"""Jobs of every kind of net, from submission to export."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import load
from starlette.testclient import TestClient

from models.data.digits import Digits
from models.specs.spec import TrainSpec
from service.work import task
from tests.api import planted, work
from tests.api.conftest import serving

BODIES: dict[str, dict[str, Any]] = {
    "conv": {"net": "conv", "norm": "batch", "init": True, "n_units": 4, "telemetry": True, "label": "small"},
    "lstm": {"net": "lstm", "norm": "batch", "init": True, "n_units": 4, "telemetry": True, "label": "small"},
}
LAYERS = {
    "conv": ["conv1", "conv2", "output"],
    "lstm": ["lstm1.input", "lstm1.state", "lstm1.cell", "output"],
}
RECURRENT = {"conv": [], "lstm": ["lstm1.state", "lstm1.cell"]}


@pytest.fixture(scope="module", params=BODIES)
def net(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def here(trained_file: Path) -> Iterator[TestClient]:
    with serving(f"sqlite:///{trained_file}", trained_file.parent) as client:
        yield client


@pytest.fixture(scope="module")
def its_job(here: TestClient, digits: Digits, net: str) -> dict[str, Any]:
    return work.trained(here, digits, **BODIES[net], **work.SHORT)


@pytest.mark.slow
def test_a_job_shows_its_net_and_its_layers(here: TestClient, its_job: dict[str, Any], net: str) -> None:
    report, telemetry, asked, [known] = (
        here.get(its_job["links"]["init-report"]).json(),
        here.get(its_job["links"]["telemetry"]).json()["items"],
        here.get(its_job["links"]["spec"]).json(),
        [each for each in here.get("/jobs").json()["items"] if each["id"] == its_job["id"]],
    )

    fields = {name: value for name, value in BODIES[net].items() if name != "label"}
    assert (its_job["status"], known["label"]) == ("succeeded", "small")
    assert fields.items() <= its_job.items()
    assert fields.items() <= asked.items()
    assert report["left_alone"] == RECURRENT[net]
    initialised = [layer for layer in LAYERS[net] if layer not in RECURRENT[net]]
    assert [each["layer"] for each in report["layers"]] == initialised
    assert [each["layer"] for each in telemetry[-1]["layers"]] == LAYERS[net]


def test_a_row_is_predicted_with_the_same_bits_alone_and_among_others(
    here: TestClient, its_job: dict[str, Any], digits: Digits
) -> None:
    url, images = its_job["links"]["predict"], digits.test.images[:40].tolist()

    together = here.post(url, json={"images": images, "return": ["logits"]}).json()["predictions"]
    alone = [
        here.post(url, json={"images": [image], "return": ["logits"]}).json()["predictions"][0]
        for image in images[::7]
    ]

    assert [each["logits"] for each in alone] == [each["logits"] for each in together[::7]]


@pytest.mark.slow
def test_both_exports_hold_the_net(here: TestClient, its_job: dict[str, Any], digits: Digits) -> None:
    url, images = its_job["links"]["export"], digits.test.images[:20].numpy()
    session = onnxruntime.InferenceSession(here.get(f"{url}?format=onnx").content)
    predicted = here.post(
        its_job["links"]["predict"], json={"images": images.tolist(), "return": ["logits"]}
    ).json()["predictions"]

    receipt, tensors = here.get(f"{url}/receipt").json(), load(here.get(url).content)

    [logits] = session.run(["logits"], {"pixels": images})
    np.testing.assert_allclose(logits, [each["logits"] for each in predicted], 1e-4, 1e-4)
    assert receipt["n_same_digit"] == receipt["n"]
    assert tensors["output.weight"].shape[1] == 10


def test_a_dry_run_counts_and_warns(here: TestClient, net: str) -> None:
    found = here.post("/jobs?dry_run=true", json={"net": net, "norm": "weight", "weight_decay": 0.1}).json()

    spec = TrainSpec(net=net, norm="weight", weight_decay=0.1)  # type: ignore[arg-type] # a net's name
    assert (found["parameters"], found["memory_bytes"]) == (spec.parameter_count(), spec.run_bytes())
    assert [each["code"] for each in found["warnings"]] == ["decay_without_scale"]


def test_the_norms_are_explained_for_each_net(here: TestClient, net: str) -> None:
    statistics = {each["name"]: each["statistics"] for each in here.get("/norms").json()["items"]}

    assert [name for name, found in statistics.items() if found is None] == ["none"]
    assert all(net in found for name, found in statistics.items() if name != "none")


@pytest.mark.slow
def test_arms_of_several_nets_are_compared_fairly(here: TestClient, digits: Digits, net: str) -> None:
    arms = [
        {"name": "dense", "n_units": 8},
        {"name": "none", "net": net, "n_units": 4},
        {"name": "weight", "net": net, "n_units": 4, "norm": "weight"},
    ]
    made = here.post("/comparisons", json={"arms": arms, "seeds": 2, "base": work.SHORT}).json()
    for job in here.get(f"/jobs?comparison_id={made['id']}").json()["items"]:
        work.train(here, digits, job["id"])

    summary = here.get(f"{made['links']['self']}/summary").json()
    report = here.get(made["links"]["report.md"])

    assert [each["arm"] for each in summary["arms"]] == ["dense", "none", "weight"]
    assert (report.status_code, net in report.text) == (200, True)


@pytest.mark.slow
def test_one_request_repeats_the_article_on_a_net(here: TestClient, digits: Digits, net: str) -> None:
    asked = {"preset": f"article_{net}", "seeds": 2, "base": {**work.SHORT, "n_units": 4}}
    made = here.post("/comparisons", json=asked).json()
    jobs = planted.waiting(here, made)
    for arm in made["arms"]:
        stack = [work.claimed(here, job["id"]) for job in jobs if job["arm"] == arm]
        task.train_claimed(work.database(here), lambda _: digits, stack)

    summary, curves, report = (here.get(made["links"][name]) for name in ("summary", "curves", "report.html"))

    arms = ["none", "weight", "weight+init", "batch", "layer"]
    assert [each["arm"] for each in summary.json()["arms"]] == arms
    assert {(each["n"], each["verdict"]) for each in summary.json()["differences"]} == {(2, "not_told_apart")}
    assert [(each["arm"], each["x"], each["n"]) for each in curves.json()["arms"]] == [
        (arm, [10, 20], [2, 2]) for arm in arms
    ]
    assert (report.status_code, f"net {net}" in report.text) == (200, True)
