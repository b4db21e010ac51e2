"""Images are sent in many forms, to every path that predicts, with the same result."""

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from models.data.digits import Digits
from tests.api import planted
from tests.api.conftest import serving
from tests.api.work import problem
from tests.serving.picture_files import saved

PATHS = ("job", "name", "several", "comparison")
FLOAT32 = {"Content-Type": "application/octet-stream"}
BARE = ("image/webp", "image/webp", "image/gif", "image/x-ms-bmp", "image/bmp", "image/png")
"""Declared types, some of which are wrong."""
ALL = {"top_k": 10, "return": ["probabilities", "logits", "image"]}


@pytest.fixture(scope="module")
def client(trained_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The API with one net: as a job, under a name, and in a comparison."""
    folder = tmp_path_factory.mktemp("forms")
    path = shutil.copy(trained_file, folder / "normserve.db")
    with serving(f"sqlite:///{path}", folder) as client:
        yield client


@pytest.fixture(scope="module")
def urls(client: TestClient) -> dict[str, str]:
    [job] = client.get("/jobs").json()["items"]
    client.put("/models/digits", json={"job": job["id"]}).raise_for_status()
    return {
        "job": f"/jobs/{job['id']}/predict",
        "name": "/models/digits/predict",
        "several": "/predict?model=digits",
        "comparison": f"{planted.with_net(client, job)['links']['self']}/predict",
    }


@pytest.fixture(scope="module")
def rows(digits: Digits) -> np.ndarray:
    """Three digits, 7, 2 and 1, as bytes: (3, 784)."""
    return (digits.test.images[:3] * 255).round().to(torch.uint8).numpy()


def asking(url: str, **query: Any) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query, doseq=True)}"


def predictions(answer: Any) -> list[dict[str, Any]]:
    """The predictions of the one net."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    [net] = body.get("arms") or body.get("models") or [body]
    found: list[dict[str, Any]] = net["predictions"]
    return found


@pytest.mark.parametrize("place", PATHS)
def test_pixels_are_the_same_in_every_form(
    client: TestClient, urls: dict[str, str], rows: np.ndarray, place: str
) -> None:
    url, unit = urls[place], rows / 255
    in_bytes = asking(url, **{**ALL, "scale": "byte", "top_k": "1e1"})
    expected = predictions(client.post(url, json={"images": unit.tolist(), **ALL}))

    answers = [
        client.post(asking(url, **ALL), json={"images": unit.reshape(3, 28, 28, 1).tolist()}),
        client.post(asking(url, **ALL), content=unit.astype("<f4").tobytes(), headers=FLOAT32),
        client.post(in_bytes, content=rows.astype("<f4").tobytes(), headers=FLOAT32),
        client.post(in_bytes, json={"images": rows.tolist()}),
    ]

    assert [each["digit"] for each in expected] == [7, 2, 1]
    assert [predictions(answer) for answer in answers] == [expected] * len(answers)


@pytest.mark.parametrize("place", PATHS)
def test_bodies_of_tensorflow_serving_are_read(
    client: TestClient, urls: dict[str, str], rows: np.ndarray, place: str
) -> None:
    url, images = urls[place], (rows / 255).reshape(3, 28, 28, 1).tolist()
    encoded = [{"b64": base64.b64encode(saved(row.reshape(28, 28), "PNG")).decode()} for row in rows]

    by_row = client.post(url, json={"signature_name": "serving_default", "instances": images})
    by_column = client.post(url, json={"inputs": images})
    pictures = client.post(url, json={"instances": encoded})

    expected = predictions(client.post(url, json={"images": images}))
    assert predictions(by_row) == predictions(by_column) == expected
    assert [{**each, "intake": None} for each in predictions(pictures)] == expected


@pytest.mark.parametrize("place", PATHS)
def test_files_of_every_kind_and_name_keep_their_order(
    client: TestClient, urls: dict[str, str], rows: np.ndarray, place: str
) -> None:
    kinds = ("PNG", "WEBP", "GIF", "BMP", "JPEG", "WEBP")
    names = ("image", "file", "images", "files", "file", "image")
    shown = [255 - np.kron(rows[at % 3].reshape(28, 28), np.ones((4, 4), np.uint8)) for at in range(6)]
    files = [saved(each, kind, quality=95) for each, kind in zip(shown, kinds, strict=True)]
    asked = asking(urls[place], **ALL)

    in_form = predictions(client.post(asked, files=[*zip(names, files, strict=True)]))
    in_json = {"images": [{"b64": base64.b64encode(each).decode()} for each in files], **ALL}
    bare = [
        predictions(client.post(asked, content=file, headers={"Content-Type": declared}))
        for file, declared in zip(files, BARE, strict=True)
    ]

    assert [each["digit"] for each in in_form] == [7, 2, 1, 7, 2, 1]
    assert in_form == predictions(client.post(urls[place], json=in_json)) == [each for [each] in bare]


def test_the_column_format_returns_outputs(
    client: TestClient, urls: dict[str, str], rows: np.ndarray
) -> None:
    asked = {"scale": "byte", "return": ["probabilities", "logits"]}

    by_row, by_column = (
        client.post(urls["job"], json={name: rows.tolist(), **asked}).json()
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
    client: TestClient, urls: dict[str, str], body: Any, pointers: list[str]
) -> None:
    assert problem(client.post(urls["job"], json=body)) == (422, "validation-error", pointers)


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
    client: TestClient, urls: dict[str, str], rows: np.ndarray, place: str, params: Any, pointers: list[str]
) -> None:
    url = asking(urls[place], **params)

    answer = client.post(url, content=rows.astype("<f4").tobytes(), headers=FLOAT32)

    assert problem(answer) == (422, "validation-error", pointers)


def test_an_option_is_given_in_the_body_or_in_the_query(
    client: TestClient, urls: dict[str, str], rows: np.ndarray
) -> None:
    body = {"images": rows.tolist(), "scale": "byte", "return": ["logits"], "top_k": 3}

    answer = client.post(asking(urls["job"], **{"return": "logits", "top_k": 3}), json=body)

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
    client: TestClient, urls: dict[str, str], place: str, body: bytes, pointer: str, rule: str
) -> None:
    answer = client.post(urls[place], content=body, headers=FLOAT32)

    assert problem(answer) == (422, "validation-error", [pointer])
    assert rule in answer.json()["errors"][0]["message"]


def test_float32_may_have_256_images_and_16_mb(client: TestClient, urls: dict[str, str]) -> None:
    most = predictions(client.post(urls["job"], content=float32(n_images=256), headers=FLOAT32))
    over = client.post(urls["job"], content=bytes(16 * 2**20 + 1), headers=FLOAT32)

    assert len(most) == 256
    assert problem(over) == (413, "payload-too-large", [])
