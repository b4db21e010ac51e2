"""Data sets over HTTP: what there is, and every image as it was published."""

import gzip
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from models.data import originals
from models.data.digits import load
from models.specs.datasets import DATASETS
from tests import mirror
from tests.api import work

pytestmark = pytest.mark.usefixtures("digits")  # it fills the cache

FIRST_OF_TRAIN = 5_000


@pytest.fixture
def client(sqlite_client: TestClient, mnist_cache: Path, tmp_path: Path) -> TestClient:
    """The API beside a cached MNIST."""
    (tmp_path / "datasets").mkdir()
    os.link(mnist_cache / "mnist.safetensors", tmp_path / "datasets" / "mnist.safetensors")
    return sqlite_client


def published(name: str, header: int, size: int, place: int) -> bytes:
    """Bytes of a published file: its header is skipped, then so many items of this size."""
    data = gzip.decompress((originals.VENDORED / f"{name}.gz").read_bytes())
    return data[header + place * size :][:size]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("split", "index", "file", "place"),
    [
        ("train", 0, "train", FIRST_OF_TRAIN),
        ("train", 54_999, "train", 59_999),
        ("validation", 0, "train", 0),
        ("validation", 4_999, "train", 4_999),
        ("test", 0, "t10k", 0),
        ("test", 9_999, "t10k", 9_999),
    ],
)
def test_an_image_is_the_published_one_as_json_and_as_png(
    client: TestClient, split: str, index: int, file: str, place: int
) -> None:
    here = f"/datasets/mnist/{split}/{index}"

    shown, drawn = client.get(here).json(), client.get(here, params={"format": "png"})

    picture = Image.open(io.BytesIO(drawn.content))
    pixels = published(f"{file}-images-idx3-ubyte", 16, 784, place)
    [label] = published(f"{file}-labels-idx1-ubyte", 8, 1, place)
    assert np.array(shown.pop("pixels"), np.uint8).tobytes() == pixels
    assert (drawn.headers["Content-Type"], picture.format, picture.mode) == ("image/png", "PNG", "L")
    assert (picture.size, picture.tobytes()) == ((28, 28), pixels)
    assert shown == {
        "dataset": "mnist",
        "split": split,
        "index": index,
        "label": label,
        "class_name": str(label),
        "links": {"self": here, "png": f"{here}?format=png", "datasets": "/datasets"},
    }


def test_pixels_are_rows(client: TestClient) -> None:
    pixels = client.get("/datasets/mnist/test/0").json()["pixels"]

    assert [len(row) for row in pixels] == [28] * 28
    assert pixels[7][6:9] == [84, 185, 159]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        (None, "", "application/json"),
        ("*/*", "", "application/json"),
        ("image/png", "", "image/png"),
        ("text/html, image/PNG;q=0.9, application/json;q=0.8", "", "image/png"),
        ("image/png", "?format=json", "application/json"),
        ("application/json", "?format=png", "image/png"),
    ],
)
def test_the_form_is_chosen_by_accept_and_by_format(
    client: TestClient, accept: str | None, query: str, kind: str
) -> None:
    headers = {} if accept is None else {"Accept": accept}

    answer = client.get(f"/datasets/mnist/test/0{query}", headers=headers)

    assert (answer.headers["Content-Type"], answer.headers["Vary"]) == (
        kind,
        "Accept, Accept-Encoding",
    )


@pytest.mark.parametrize("form", ["json", "png"])
def test_an_image_is_sent_once(client: TestClient, form: str) -> None:
    here = f"/datasets/mnist/test/1?format={form}"
    first = client.get(here)

    again = client.get(here, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]


def test_json_and_png_have_etags_of_their_own(client: TestClient) -> None:
    answers = [client.get(f"/datasets/mnist/test/1?format={form}") for form in ("json", "png")]

    assert len({answer.headers["ETag"] for answer in answers}) == 2


@pytest.mark.parametrize(
    ("split", "index"), [("train", 55_000), ("validation", 5_000), ("test", 10_000), ("test", -1)]
)
def test_an_index_out_of_bounds_is_refused(client: TestClient, split: str, index: int) -> None:
    answer = client.get(f"/datasets/mnist/{split}/{index}")

    assert work.problem(answer) == (422, "validation-error", ["/index"])


def test_an_unknown_data_set_or_split_is_refused(client: TestClient) -> None:
    answers = [client.get(f"/datasets/{path}/0") for path in ("cifar10/test", "mnist/all")]

    assert [work.problem(answer) for answer in answers] == [
        (404, "dataset-not-found", []),
        (422, "validation-error", ["/split"]),
    ]


def listed(client: TestClient) -> dict[str, Any]:
    return {item["name"]: item for item in client.get("/datasets").json()["items"]}


def test_data_sets_are_listed_with_what_is_on_this_machine(client: TestClient) -> None:
    sums = (originals.VENDORED / "SHA256SUMS").read_text().split()

    answer = client.get("/datasets").json()

    items = {item["name"]: item for item in answer["items"]}
    assert ([*items], answer["next_cursor"]) == (["mnist", "fashion_mnist", "kmnist"], None)
    assert items["mnist"] == {
        "name": "mnist",
        "title": DATASETS["mnist"].title,
        "classes": list("0123456789"),
        "counts": {"train": 55_000, "validation": 5_000, "test": 10_000},
        "image_shape": [28, 28],
        "sha256": dict(zip(sums[1:8:2], sums[0:8:2], strict=True)),
        "licence": "CC BY-SA 3.0",
        "source": DATASETS["mnist"].source,
        "home_page": "http://yann.lecun.com/exdb/mnist/",
        "available": True,
    }
    assert (items["kmnist"]["available"], items["kmnist"]["sha256"]) == (False, None)


def test_the_list_is_sent_once(client: TestClient) -> None:
    etag = client.get("/datasets").headers["ETag"]

    assert client.get("/datasets", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.slow
def test_mnist_needs_no_cache(sqlite_client: TestClient, tmp_path: Path) -> None:
    answer = sqlite_client.get("/datasets/mnist/test/0").json()

    assert (answer["label"], (tmp_path / "datasets").exists()) == (7, False)


@pytest.mark.slow
def test_a_data_set_that_is_not_here_is_shown_once_a_worker_has_fetched_it(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = client.get("/datasets/kmnist/test/0")
    with mirror.serving(mirror.Whole) as url:
        mirror.use(monkeypatch, "kmnist", url)
        load("kmnist", tmp_path / "datasets")

    found = client.get("/datasets/kmnist/test/0").json()

    assert work.problem(missing) == (409, "dataset-unavailable", [])
    assert missing.json()["detail"] == (
        "The data set kmnist is not on this machine; the next job that trains on it downloads it."
    )
    assert (found["label"], found["class_name"]) == (7, "ya")
    item, mnist = listed(client)["kmnist"], listed(client)["mnist"]
    assert (item["available"], item["sha256"]) == (True, mnist["sha256"])


@pytest.mark.slow
def test_a_damaged_data_set_is_named(client: TestClient, mnist_cache: Path, tmp_path: Path) -> None:
    damaged = bytearray((mnist_cache / "mnist.safetensors").read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "datasets" / "kmnist.safetensors").write_bytes(damaged)

    answer = client.get("/datasets/kmnist/test/0")

    assert work.problem(answer) == (409, "dataset-unavailable", [])
    assert answer.json()["detail"] == (
        "kmnist.safetensors is damaged; the next job that trains on it downloads it."
    )
    assert (listed(client)["kmnist"]["available"], listed(client)["kmnist"]["sha256"]) == (False, None)


def test_a_damaged_vendored_file_is_named(
    sqlite_client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(originals, "VENDORED", tmp_path)
    (tmp_path / "SHA256SUMS").write_text("nothing")

    answer = sqlite_client.get("/datasets/mnist/test/0")

    assert work.problem(answer) == (409, "dataset-unavailable", [])
    assert answer.json()["detail"] == "SHA256SUMS cannot be read."
