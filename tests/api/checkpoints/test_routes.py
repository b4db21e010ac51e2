"""Checkpoints are listed, found by step or by name, and their weights sent whole or in part."""

import hashlib
from typing import Any

import pytest
from safetensors.numpy import load
from starlette.testclient import TestClient

from models.data.digits import Digits
from tests.api import work
from tests.api.work import problem, submitted


@pytest.fixture(scope="module")
def here(job: dict[str, Any]) -> str:
    return f"/jobs/{job['id']}/checkpoints"


@pytest.fixture(scope="module")
def weights(trained: TestClient, here: str) -> bytes:
    content: bytes = trained.get(f"{here}/latest/weights").content
    return content


def test_checkpoints_are_listed_the_newest_first(client: TestClient, finished: dict[str, Any]) -> None:
    url = f"/jobs/{finished['id']}"
    rows = client.get(f"{url}/metrics").json()["items"]

    answer = client.get(f"{url}/checkpoints").json()

    figures = ("step", "validation_accuracy", "validation_loss", "test_accuracy", "test_loss")
    assert answer["next_cursor"] is None
    assert [{key: item[key] for key in figures} for item in answer["items"]] == [
        {key: rows[step - 1][key] for key in figures} for step in (20, 10)
    ]
    assert answer["items"][0]["weights_sha256"] == finished["weights_sha256"]
    assert answer["items"][0]["links"] == {
        "self": f"{url}/checkpoints/20",
        "weights": f"{url}/checkpoints/20/weights",
    }


def test_an_unknown_name_of_a_checkpoint_shows_the_known_ones(trained: TestClient, here: str) -> None:
    answer = trained.get(f"{here}/last")

    assert "give latest, best or a step" in answer.json()["detail"]


def test_a_job_without_checkpoints_has_an_empty_list(client: TestClient) -> None:
    answer = client.get(f"/jobs/{submitted(client)['id']}/checkpoints")

    assert answer.json() == {"items": [], "next_cursor": None}


def test_the_newest_are_kept_and_the_best(client: TestClient, digits: Digits) -> None:
    job = work.trained(client, digits, norm="batch", steps=9, checkpoint_every=1, keep_checkpoints=3)

    listed = client.get(f"/jobs/{job['id']}/checkpoints").json()["items"]

    assert [item["step"] for item in listed] == sorted({9, 8, 7, job["best"]["step"]}, reverse=True)


def test_the_last_alone_is_kept_and_is_the_best(client: TestClient, digits: Digits) -> None:
    job = work.trained(client, digits, steps=9, checkpoint_every=1, keep_checkpoints=0)
    url = f"/jobs/{job['id']}/checkpoints"

    best = client.get(f"{url}/best").json()

    assert client.get(url).json()["items"] == [best]
    assert (best["step"], best["weights_sha256"]) == (9, job["weights_sha256"])


@pytest.mark.parametrize("which", ["latest", "20", "best", "10"])
def test_a_checkpoint_is_found_by_name_and_by_step(
    client: TestClient, finished: dict[str, Any], which: str
) -> None:
    url = f"/jobs/{finished['id']}/checkpoints"
    listed = {item["step"]: item for item in client.get(url).json()["items"]}
    step = {"latest": 20, "best": finished["best"]["step"]}.get(which, which)

    answer = client.get(f"{url}/{which}")

    assert (answer.status_code, answer.json()) == (200, listed[int(step)])
    assert answer.headers["ETag"] == f'"{step}-{answer.json()["weights_sha256"]}"'


@pytest.mark.parametrize("which", ["999", "0", "-1", "newest", "9" * 30, "１０００", "1000.0", "%00"])
@pytest.mark.parametrize("rest", ["", "/weights"], ids=["checkpoint", "weights"])
def test_another_checkpoint_is_not_found(trained: TestClient, here: str, which: str, rest: str) -> None:
    assert problem(trained.get(f"{here}/{which}{rest}")) == (404, "checkpoint-not-found", [])


@pytest.mark.parametrize("which", ["latest", "best", "20"])
def test_a_job_without_checkpoints_has_none_to_get(client: TestClient, which: str) -> None:
    url = f"/jobs/{submitted(client)['id']}/checkpoints/{which}"

    answers = [client.get(url), client.get(f"{url}/weights")]

    assert [problem(answer) for answer in answers] == [(404, "checkpoint-not-found", [])] * 2


def test_weights_are_a_safetensors_file(client: TestClient, finished: dict[str, Any]) -> None:
    answer = client.get(f"/jobs/{finished['id']}/checkpoints/latest/weights")

    shapes = {name: tensor.shape for name, tensor in load(answer.content).items()}
    digest = hashlib.sha256(answer.content).hexdigest()
    assert answer.headers["Content-Type"] == "application/vnd.safetensors"
    assert shapes["hidden1.weight"] == (784, 128)
    assert shapes["output.weight"] == (128, 10)
    assert (answer.headers["ETag"], finished["weights_sha256"]) == (f'"20-{digest}"', digest)


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-99", 0, 99),
        ("bytes=100-100", 100, 100),
        ("bytes=400000-", 400_000, -1),
        ("bytes=-8", -8, -1),
        ("bytes=-99999999", 0, -1),
        ("bytes=400000-99999999", 400_000, -1),
    ],
)
def test_a_part_of_the_weights_is_sent(
    trained: TestClient, here: str, weights: bytes, header: str, first: int, last: int
) -> None:
    answer = trained.get(f"{here}/latest/weights", headers={"Range": header})

    size = len(weights)
    start, end = first % size, last % size
    assert (answer.status_code, answer.content) == (206, weights[start : end + 1])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end}/{size}"


@pytest.mark.parametrize("header", ["bytes=99999999-", "bytes=-0"])
def test_a_part_outside_is_refused(trained: TestClient, here: str, header: str) -> None:
    answer = trained.get(f"{here}/latest/weights", headers={"Range": header})

    assert problem(answer) == (416, "range-not-satisfiable", [])


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=5-4"},
        {"Range": "bytes=0-1,3-4"},
        {"Range": "lines=0-1"},
        {"Range": "bytes=-"},
        {"Range": "bytes=0-1", "If-Range": '"other"'},
    ],
    ids=["backwards", "several", "unit", "nothing", "another version"],
)
def test_a_range_that_does_not_apply_is_ignored(
    trained: TestClient, here: str, weights: bytes, headers: dict[str, str]
) -> None:
    answer = trained.get(f"{here}/latest/weights", headers=headers)

    assert (answer.status_code, answer.content) == (200, weights)


def test_a_part_of_the_version_that_is_meant_is_sent(trained: TestClient, here: str, weights: bytes) -> None:
    etag = trained.get(f"{here}/latest").headers["ETag"]

    answer = trained.get(f"{here}/latest/weights", headers={"Range": "bytes=0-1", "If-Range": etag})

    assert (answer.status_code, answer.content) == (206, weights[:2])


@pytest.mark.parametrize("path", ["", "/latest", "/latest/weights"], ids=["list", "checkpoint", "weights"])
def test_a_client_that_has_it_is_told_so(trained: TestClient, here: str, path: str) -> None:
    etag = trained.get(here + path).headers["ETag"]

    answer = trained.get(here + path, headers={"If-None-Match": etag})

    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["byte", "cut", "empty"])
def test_damaged_weights_are_neither_sent_nor_used(
    client: TestClient, finished: dict[str, Any], damage: str
) -> None:
    url = f"/jobs/{finished['id']}"
    stored = client.get(f"{url}/checkpoints/20/weights").content
    flipped = stored[:5000] + bytes([stored[5000] ^ 1]) + stored[5001:]
    work.store_weights(client, finished["id"], {"byte": flipped, "cut": stored[:-1], "empty": b""}[damage])

    sent = client.get(f"{url}/checkpoints/20/weights")
    part = client.get(f"{url}/checkpoints/20/weights", headers={"Range": "bytes=0-1"})
    used = client.post(f"{url}/predict", json={"images": [[0.5] * 784]})

    assert [problem(answer) for answer in (sent, part, used)] == [(409, "checkpoint-corrupt", [])] * 3


@pytest.mark.slow
def test_an_older_checkpoint_is_served_though_the_newest_is_damaged(
    client: TestClient, finished: dict[str, Any]
) -> None:
    url = f"/jobs/{finished['id']}"
    work.store_weights(client, finished["id"], b"damaged")

    answer = client.post(f"{url}/predict?checkpoint=10", json={"images": [[0.5] * 784]})

    assert (answer.status_code, answer.json()["model"]["step"]) == (200, 10)
