"""All digits of a picture are read, in each form that a picture is sent in."""

import base64
from typing import Any

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from models.data.digits import Digits
from service.serving.inputs import MAX_DIGITS
from tests.api.work import problem
from tests.serving.picture_files import saved


@pytest.fixture(scope="module")
def url(job: dict[str, Any]) -> str:
    return f"/jobs/{job['id']}/predict?digits=many"


@pytest.fixture(scope="module")
def number(digits: Digits) -> bytes:
    """A PNG of the first five test digits: 72104."""
    images = (digits.test.images[:5].reshape(5, 28, 28) * 255).to(torch.uint8).numpy()
    return saved(255 - np.kron(np.concatenate(list(images), 1), np.ones((3, 3), np.uint8)), "PNG")


@pytest.mark.parametrize("form", ["multipart", "bare", "base64"])
def test_a_number_is_read_from_left_to_right(trained: TestClient, url: str, number: bytes, form: str) -> None:
    requests: dict[str, dict[str, Any]] = {
        "multipart": {"files": {"file": number}},
        "bare": {"content": number, "headers": {"Content-Type": "image/png"}},
        "base64": {"json": {"images": [{"png": base64.b64encode(number).decode()}]}},
    }

    answer = trained.post(url, **requests[form]).json()["predictions"]

    boxes = [each["intake"]["bbox"] for each in answer]
    assert [each["digit"] for each in answer] == [7, 2, 1, 0, 4]
    assert [left // 84 for left, *_ in boxes] == [0, 1, 2, 3, 4]
    assert [(each["image_index"], each["warnings"]) for each in answer] == [(0, [])] * 5


def test_digits_of_several_images_name_their_image(
    trained: TestClient, url: str, number: bytes, digits: Digits
) -> None:
    images = [digits.test.images[0].tolist(), {"png": base64.b64encode(number).decode()}]

    answer = trained.post(url, json={"images": images}).json()["predictions"]

    found = [(each["image_index"], each["digit"]) for each in answer]
    assert found == [(0, 7), (1, 7), (1, 2), (1, 1), (1, 0), (1, 4)]


def test_the_same_number_as_one_digit_is_doubted(trained: TestClient, url: str, number: bytes) -> None:
    [prediction] = trained.post(url.replace("many", "one"), files={"file": number}).json()["predictions"]

    assert prediction["image_index"] is None
    assert "several_digits" in [warning["code"] for warning in prediction["warnings"]]


def test_too_many_digits_are_refused_at_their_picture(trained: TestClient, url: str) -> None:
    bar = np.zeros((20, 14), np.uint8)
    bar[4:16, 5:8] = 255
    sheet = saved(np.tile(bar, (40, 40)), "PNG")
    few = saved(np.tile(bar, (4, 4)), "PNG")

    answer = trained.post(url, files=[("file", few), ("file", sheet)])

    assert problem(answer) == (422, "too-many-digits", ["/file/1"])
    assert trained.get("/limits").json()["max_digits"] == MAX_DIGITS


def test_784_zeros_are_no_digit(trained: TestClient, url: str) -> None:
    [prediction] = trained.post(url, json={"images": [[0] * 784]}).json()["predictions"]

    assert prediction["warnings"] == [{"code": "no_ink", "message": "The image is empty."}]
