"""One bad image among 64: the whole request is refused and the image named, or the others are predicted."""

import base64
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.api.predictions.schemas import Vote
from service.serving.inputs import MAX_DIGITS
from tests.api.predictions.conftest import FLOAT32, PATHS, asking, predictions
from tests.api.work import problem
from tests.serving.picture_files import saved

BAD = 41
FORMS = ("json", "instances", "float32", "form", "base64")
Forms = dict[str, tuple[dict[str, Any], tuple[int, str, list[str]], str]]


@pytest.fixture(scope="module")
def forms(rows: np.ndarray) -> Forms:
    """64 images of which one is bad, in each form: the request, its problem, and the rule."""
    digits = rows[np.arange(64) % 3].astype(np.float64) / 255
    numbers = digits.tolist()
    numbers[BAD] = numbers[BAD][:-1]
    floats = digits.astype("<f4")
    floats[BAD, 7] = np.nan
    files = [saved((row * 255).astype(np.uint8).reshape(28, 28), "PNG") for row in digits]
    files[BAD] = files[BAD][:-20]
    encoded = [{"png": base64.b64encode(file).decode()} for file in files]
    encoded[BAD] = {"png": base64.b64encode(saved(np.zeros((28, 28), np.uint8), "PNG")).decode()}
    wrong, cut, blank = "validation-error", "unprocessable-image", "blank-image"
    return {
        "json": ({"json": {"images": numbers}}, (422, wrong, [f"/images/{BAD}"]), "it has 783 items"),
        "instances": ({"json": {"instances": numbers}}, (422, wrong, [f"/instances/{BAD}"]), "784 numbers"),
        "float32": ({"content": floats.tobytes(), "headers": FLOAT32}, (422, wrong, [f"/{BAD}/7"]), "0 to 1"),
        "form": ({"files": [("image", file) for file in files]}, (422, cut, [f"/image/{BAD}"]), "truncated"),
        "base64": ({"json": {"images": encoded}}, (422, blank, [f"/images/{BAD}/png"]), "ink"),
    }


@pytest.mark.parametrize("place", PATHS)
@pytest.mark.parametrize("form", FORMS)
def test_one_bad_image_of_64_is_named(
    served: TestClient, urls: dict[str, str], forms: Forms, form: str, place: str
) -> None:
    sent, refusal, rule = forms[form]

    answer = served.post(urls[place], **sent)

    assert problem(answer) == refusal
    assert rule in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("place", PATHS)
@pytest.mark.parametrize("form", FORMS)
def test_the_other_63_are_predicted_if_asked(
    served: TestClient, urls: dict[str, str], forms: Forms, form: str, place: str
) -> None:
    sent, (_, code, [pointer]), rule = forms[form]

    found = predictions(served.post(asking(urls[place], partial="true"), **sent))

    refused = found[BAD]
    expected = [[7, 2, 1][at % 3] for at in range(64)]
    assert [each["digit"] for each in found] == [*expected[:BAD], None, *expected[BAD + 1 :]]
    assert [at for at, each in enumerate(found) if each["error"]] == [BAD]
    assert (refused["error"]["pointer"], refused["error"]["code"]) == (pointer, code)
    assert rule in refused["error"]["detail"]
    assert (refused["confidence"], refused["top_k"], refused["warnings"]) == (None, [], [])


def test_predictions_are_those_of_the_good_images_alone(
    served: TestClient, urls: dict[str, str], rows: np.ndarray
) -> None:
    numbers, asked = (rows / 255).tolist(), {"return": ["probabilities", "logits"]}
    url = asking(urls["job"], partial="true")

    alone = served.post(urls["job"], json={"inputs": numbers, **asked}).json()
    among = served.post(url, json={"inputs": [[], *numbers, "x"], **asked}).json()

    assert among["predictions"][1:4] == alone["predictions"]
    assert among["outputs"] == {name: [None, *column, None] for name, column in alone["outputs"].items()}
    assert among["model"] == alone["model"]
    assert among["predictions"][4]["error"]["pointer"] == "/inputs/4"


@pytest.mark.parametrize("place", PATHS)
def test_all_images_may_be_bad(served: TestClient, urls: dict[str, str], place: str) -> None:
    sent = {"images": [[], {"b64": "?"}, {"b64": ""}]}

    answer = served.post(asking(urls[place], partial="true"), json=sent)

    shown = [(each["error"]["pointer"], each["error"]["code"]) for each in predictions(answer)]
    assert shown == [
        ("/images/0", "validation-error"),
        ("/images/1/b64", "validation-error"),
        ("/images/2/b64", "unprocessable-image"),
    ]
    nobody = Vote(
        digit=None,
        agreement=None,
        unanimous=False,
        dissenting=[],
        message="No net sees a digit: the image is refused.",
    ).model_dump()
    assert answer.json().get("votes", [nobody] * 3) == [nobody] * 3


@pytest.mark.parametrize("place", ["several", "comparison"])
def test_a_refused_image_has_no_vote(
    served: TestClient, urls: dict[str, str], rows: np.ndarray, place: str
) -> None:
    sent = {"images": [rows[0].tolist(), "x", rows[1].tolist()], "scale": "byte"}

    votes = served.post(asking(urls[place], partial="true"), json=sent).json()["votes"]

    assert [(each["digit"], each["agreement"]) for each in votes] == [(7, 1.0), (None, None), (2, 1.0)]


def test_a_picture_with_too_many_digits_is_left_out(served: TestClient, urls: dict[str, str]) -> None:
    bar = np.zeros((20, 14), np.uint8)
    bar[4:16, 5:8] = 255
    few, many = (saved(np.tile(bar, shape), "PNG") for shape in ((4, 4), (40, 40)))
    url = asking(urls["job"], partial="true", digits="many")

    found = served.post(url, files=[("file", few), ("file", many), ("file", few)]).json()["predictions"]

    codes = [(each["image_index"], (each["error"] or {}).get("code")) for each in found]
    assert codes == [(0, None)] * 16 + [(1, "too-many-digits")] + [(2, None)] * 16
    assert MAX_DIGITS >= 32


@pytest.mark.parametrize(
    ("sent", "refusal"),
    [
        ({"json": {"images": []}}, (422, "validation-error", ["/images"])),
        ({"json": {"images": [[]] * 257}}, (422, "validation-error", ["/images"])),
        ({"json": {"images": [[]], "inputs": [[]]}}, (422, "validation-error", ["/images", "/inputs"])),
        ({"content": bytes(100), "headers": FLOAT32}, (422, "validation-error", [""])),
        ({"files": [("picture", b"")]}, (422, "validation-error", ["/file"])),
    ],
    ids=["no image", "257 images", "two lists", "wrong length", "another part"],
)
def test_a_body_that_is_wrong_as_a_whole_is_refused(
    served: TestClient, urls: dict[str, str], sent: dict[str, Any], refusal: Any
) -> None:
    assert problem(served.post(asking(urls["job"], partial="true"), **sent)) == refusal
