"""Images are sent in many forms, to every path that predicts, with the same result."""

import base64
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.api.predictions.conftest import FLOAT32, PATHS, asking, in_every_form, predictions
from tests.api.work import problem
from tests.serving.picture_files import saved

BARE = ("image/webp", "image/webp", "image/gif", "image/x-ms-bmp", "image/bmp", "image/png")
"""Declared types, some of which are wrong."""
ALL = {"top_k": 10, "return": ["probabilities", "logits", "image"]}


@pytest.mark.parametrize("place", PATHS)
def test_pixels_are_the_same_in_every_form(
    served: TestClient, urls: dict[str, str], rows: np.ndarray, place: str
) -> None:
    url, unit = urls[place], rows / 255
    in_bytes = asking(url, **{**ALL, "scale": "byte", "top_k": "1e1"})
    expected = predictions(served.post(url, json={"images": unit.tolist(), **ALL}))

    answers = [
        served.post(asking(url, **ALL), json={"images": unit.reshape(3, 28, 28, 1).tolist()}),
        served.post(asking(url, **ALL), content=unit.astype("<f4").tobytes(), headers=FLOAT32),
        served.post(in_bytes, content=rows.astype("<f4").tobytes(), headers=FLOAT32),
        served.post(in_bytes, json={"images": rows.tolist()}),
    ]

    assert [each["digit"] for each in expected] == [7, 2, 1]
    assert [predictions(answer) for answer in answers] == [expected] * len(answers)


@pytest.mark.parametrize("place", PATHS)
def test_bodies_of_tensorflow_serving_are_read(
    served: TestClient, urls: dict[str, str], rows: np.ndarray, place: str
) -> None:
    url, images = urls[place], (rows / 255).reshape(3, 28, 28, 1).tolist()
    encoded = [{"b64": base64.b64encode(saved(row.reshape(28, 28), "PNG")).decode()} for row in rows]

    by_row = served.post(url, json={"signature_name": "serving_default", "instances": images})
    by_column = served.post(url, json={"inputs": images})
    pictures = served.post(url, json={"instances": encoded})

    expected = predictions(served.post(url, json={"images": images}))
    assert predictions(by_row) == predictions(by_column) == expected
    assert [{**each, "intake": None} for each in predictions(pictures)] == expected


@pytest.mark.parametrize("place", PATHS)
def test_files_of_every_kind_and_name_keep_their_order(
    served: TestClient, urls: dict[str, str], rows: np.ndarray, place: str
) -> None:
    kinds = ("PNG", "WEBP", "GIF", "BMP", "JPEG", "WEBP")
    names = ("image", "file", "images", "files", "file", "image")
    shown = [255 - np.kron(rows[at % 3].reshape(28, 28), np.ones((4, 4), np.uint8)) for at in range(6)]
    files = [saved(each, kind, quality=95) for each, kind in zip(shown, kinds, strict=True)]
    asked = asking(urls[place], **ALL)

    in_form = predictions(served.post(asked, files=[*zip(names, files, strict=True)]))
    in_json = {"images": [{"b64": base64.b64encode(each).decode()} for each in files], **ALL}
    bare = [
        predictions(served.post(asked, content=file, headers={"Content-Type": declared}))
        for file, declared in zip(files, BARE, strict=True)
    ]

    assert [each["digit"] for each in in_form] == [7, 2, 1, 7, 2, 1]
    assert in_form == predictions(served.post(urls[place], json=in_json)) == [each for [each] in bare]


def test_the_column_format_returns_outputs(
    served: TestClient, urls: dict[str, str], rows: np.ndarray
) -> None:
    asked = {"scale": "byte", "return": ["probabilities", "logits"]}

    by_row, by_column = (
        served.post(urls["job"], json={name: rows.tolist(), **asked}).json()
        for name in ("instances", "inputs")
    )

    assert by_row["outputs"] is None
    assert by_column["predictions"] == by_row["predictions"]
    assert by_column["outputs"] == {
        name: [each[name] for each in by_row["predictions"]] for name in ("digit", "probabilities", "logits")
    }


HALF = [[0.5] * 784]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/images"]),
        ({"images": HALF, "instances": HALF}, ["/images", "/instances"]),
        ({"instances": HALF, "inputs": HALF}, ["/instances", "/inputs"]),
        ({"images": HALF, "inputs": None}, ["/inputs"]),
        ({"instances": []}, ["/instances"]),
        ({"inputs": {"pixels": HALF}}, ["/inputs"]),
        ({"instances": HALF * 257}, ["/instances"]),
        ({"instances": [*HALF, [0.5] * 783]}, ["/instances/1"]),
        ({"inputs": [*HALF, {"b64": "?"}]}, ["/inputs/1/b64"]),
        ({"instances": [{"b64": "", "png": ""}]}, ["/instances/0"]),
        ({"instances": [{}]}, ["/instances/0"]),
        ({"instances": HALF, "signature_name": "classify"}, ["/signature_name"]),
        ({"instances": [[[[0.5, 0.5]] * 28] * 28]}, ["/instances/0"]),
        ({"instances": [[[0.5]] * 784]}, ["/instances/0"]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_body_has_one_list_of_whole_images(
    served: TestClient, urls: dict[str, str], body: Any, pointers: list[str]
) -> None:
    assert problem(served.post(urls["job"], json=body)) == (422, "validation-error", pointers)


@pytest.mark.parametrize("place", PATHS)
@pytest.mark.parametrize(
    ("params", "pointers"),
    [
        ({"top_k": 11}, ["/top_k"]),
        ({"top_k": "1.5"}, ["/top_k"]),
        ({"scale": "bytes"}, ["/scale"]),
        ({"return": ["logits", "digit"]}, ["/return/1"]),
        ({"return": ["logits"] * 4}, ["/return"]),
        ({"scale": ["unit", "byte"]}, ["/scale"]),
        ({"images": "1"}, ["/images"]),
    ],
    ids=str,
)
def test_a_wrong_option_is_refused(
    served: TestClient, urls: dict[str, str], rows: np.ndarray, place: str, params: Any, pointers: list[str]
) -> None:
    url = asking(urls[place], **params)

    answer = served.post(url, content=rows.astype("<f4").tobytes(), headers=FLOAT32)

    assert problem(answer) == (422, "validation-error", pointers)


def test_an_option_is_given_in_the_body_or_in_the_query(
    served: TestClient, urls: dict[str, str], rows: np.ndarray
) -> None:
    body = {"images": rows.tolist(), "scale": "byte", "return": ["logits"], "top_k": 3}

    answer = served.post(asking(urls["job"], **{"return": "logits", "top_k": 3}), json=body)

    assert problem(answer) == (422, "validation-error", ["/return", "/top_k"])


def float32(*changes: tuple[int, int, float], n_images: int = 3) -> bytes:
    images = np.full((n_images, 784), 0.5, "<f4")
    for image, pixel, value in changes:
        images[image, pixel] = value
    return images.tobytes()


SIGNALLING = float32()[:400] + b"\x01\x00\xa0\x7f" + float32()[404:]
"""A NaN that makes NumPy warn, at pixel 100 of the first image."""


@pytest.mark.parametrize("place", PATHS)
@pytest.mark.parametrize(
    ("body", "pointer", "rule"),
    [
        (b"", "", "3136 bytes per image"),
        (b"\0" * 3135, "", "it has 3135"),
        (float32() + b"\0", "", "it has 9409"),
        (b"\x89PNG\r\n\x1a\n" * 100, "", "such as image/png"),
        (float32((1, 783, np.nan), (2, 0, 7)), "/1/783", "0 to 1"),
        (float32((2, 0, np.inf)), "/2/0", "0 to 1"),
        (float32((0, 5, -np.inf)), "/0/5", "0 to 1"),
        (float32((0, 5, -1e-9)), "/0/5", "0 to 1"),
        (float32((2, 7, 1.0001)), "/2/7", "set scale to byte"),
        (SIGNALLING, "/0/100", "0 to 1"),
        (float32(n_images=257), "", "at most"),
    ],
    ids=[
        *("empty", "a byte less", "a byte more", "a picture", "NaN", "infinity", "minus infinity"),
        *("below 0", "above 1", "a signalling NaN", "257 images"),
    ],
)
def test_wrong_float32_is_refused_at_its_number(
    served: TestClient, urls: dict[str, str], place: str, body: bytes, pointer: str, rule: str
) -> None:
    answer = served.post(urls[place], content=body, headers=FLOAT32)

    assert problem(answer) == (422, "validation-error", [pointer])
    assert rule in answer.json()["errors"][0]["message"]


def test_float32_may_have_256_images_and_16_mb(served: TestClient, urls: dict[str, str]) -> None:
    most = predictions(served.post(urls["job"], content=float32(n_images=256), headers=FLOAT32))
    over = served.post(urls["job"], content=bytes(16 * 2**20 + 1), headers=FLOAT32)

    assert len(most) == 256
    assert problem(over) == (413, "payload-too-large", [])


def test_the_warnings_and_refusals_of_blank_images_are_those_of_every_form(
    served: TestClient, urls: dict[str, str]
) -> None:
    answers = {
        name: served.post(urls["job"], **sent)
        for name, sent in in_every_form(np.zeros(784, np.uint8)).items()
    }

    codes = {
        name: answer.json().get("code") or answer.json()["predictions"][0]["warnings"][0]["code"]
        for name, answer in answers.items()
    }
    assert codes == {
        **dict.fromkeys(("images", "instances", "inputs", "float32"), "no_ink"),
        **dict.fromkeys(("base64", "form", "bare"), "blank-image"),
    }
