"""Which net predicts, and when there is none."""

import base64
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save
from starlette.testclient import TestClient

from models.data.digits import Digits
from tests.api import work
from tests.api.predictions.conftest import in_every_form
from tests.api.work import problem, submitted
from tests.serving.picture_files import saved

PIXELS = {"images": [[0.5] * 784]}


@pytest.mark.parametrize("which", ["latest", "best", "10", "20", None])
def test_the_checkpoint_that_is_asked_for_answers(
    client: TestClient, finished: dict[str, Any], which: str | None
) -> None:
    url = f"/jobs/{finished['id']}"
    listed = client.get(f"{url}/checkpoints/{which or 'latest'}").json()

    answer = client.post(f"{url}/predict", json=PIXELS, params={"checkpoint": which} if which else {})

    model = answer.json()["model"]
    assert (model["step"], model["weights_sha256"]) == (listed["step"], listed["weights_sha256"])


@pytest.mark.parametrize("which", ["latest", "best"])
def test_a_job_without_a_checkpoint_is_not_ready(client: TestClient, which: str) -> None:
    job = submitted(client)

    answer = client.post(f"/jobs/{job['id']}/predict?checkpoint={which}", json=PIXELS)

    assert problem(answer) == (409, "model-not-ready", [])


@pytest.mark.slow
def test_a_step_without_a_checkpoint_is_not_found(client: TestClient, finished: dict[str, Any]) -> None:
    answer = client.post(f"/jobs/{finished['id']}/predict?checkpoint=19", json=PIXELS)

    assert problem(answer) == (404, "checkpoint-not-found", [])


def test_a_running_job_predicts_and_says_so(client: TestClient, digits: Digits) -> None:
    job = work.begun(client, digits, checkpoint_every=1)

    answer = client.post(f"/jobs/{job['id']}/predict", json=PIXELS)

    model = answer.json()["model"]
    assert (job["status"], model["from_running_job"]) == ("running", True)
    assert model["step"] == job["progress"]["step"]


@pytest.mark.slow
def test_every_form_is_read_with_a_running_job_and_with_each_checkpoint(
    sqlite_client: TestClient, digits: Digits
) -> None:
    row = (digits.test.images[0] * 255).round().to(torch.uint8).numpy()
    job = work.begun(sqlite_client, digits, norm="weight", init=True, checkpoint_every=1)
    url = f"{job['links']['predict']}?checkpoint="
    last = job["progress"]["step"]

    found = {
        (name, which): sqlite_client.post(f"{url}{which}", **sent).json()
        for name, sent in in_every_form(row).items()
        for which in ("latest", last)
    }

    shown = {(each["model"]["step"], each["model"]["from_running_job"]) for each in found.values()}
    assert shown == {(last, True)}
    assert len({each["predictions"][0]["confidence"] for each in found.values()}) == 1


def test_a_net_of_another_shape_is_refused(client: TestClient, finished: dict[str, Any]) -> None:
    tensors = {"output.weight": np.zeros((128, 10), np.float32)}
    work.store_weights(client, finished["id"], save(tensors), summed=True)

    answer = client.post(f"/jobs/{finished['id']}/predict", json=PIXELS)

    assert problem(answer) == (409, "checkpoint-corrupt", [])


def test_a_net_of_a_spec_that_this_release_would_refuse_is_refused(
    client: TestClient, finished: dict[str, Any]
) -> None:
    work.store_spec(client, finished["id"], norm="instance")

    answer = client.post(f"/jobs/{finished['id']}/predict", json=PIXELS)

    assert problem(answer) == (409, "checkpoint-corrupt", [])


BLANK = saved(np.full((40, 50), 200, np.uint8), "PNG")
DIGIT = saved(np.pad(np.full((20, 4), 255, np.uint8), 12), "PNG")


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        ({"content": BLANK, "headers": {"Content-Type": "image/png"}}, ""),
        ({"files": [("file", DIGIT), ("file", BLANK)]}, "/file/1"),
        ({"json": {"images": [[0] * 784, {"png": base64.b64encode(BLANK).decode()}]}}, "/images/1/png"),
    ],
    ids=["bare", "form", "json"],
)
def test_a_blank_picture_has_no_digit(
    trained: TestClient, job: dict[str, Any], request_: dict[str, Any], pointer: str
) -> None:
    answer = trained.post(job["links"]["predict"], **request_)

    assert problem(answer) == (422, "blank-image", [pointer])


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        ({"json": {"images": [[0] * 784] * 257}}, "/images"),
        ({"json": {"images": [0] * 4097}}, "/images"),
        ({"files": [("file", b"")] * 257}, "/file"),
    ],
    ids=["json", "json over all limits", "form"],
)
def test_too_many_images_are_refused(
    trained: TestClient, job: dict[str, Any], request_: dict[str, Any], pointer: str
) -> None:
    answer = trained.post(job["links"]["predict"], **request_)

    assert problem(answer) == (422, "validation-error", [pointer])


def test_as_many_images_as_the_limits_say_are_read(trained: TestClient, job: dict[str, Any]) -> None:
    most = trained.get("/limits").json()["max_images"]

    answer = trained.post(job["links"]["predict"], json={"images": [[0] * 784] * most})

    assert (answer.status_code, len(answer.json()["predictions"])) == (200, 256)
