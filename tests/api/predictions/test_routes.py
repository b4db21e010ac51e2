"""Digits are read from pixels and pictures, with the checkpoint that was asked for."""

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from models.data.digits import Digits
from models.specs.spec import TrainSpec
from models.training.checkpoint import load_net
from tests.api import work
from tests.serving.picture_files import saved

ALL = {"return": ["probabilities", "logits", "image"], "top_k": 10}


@pytest.fixture(scope="module")
def url(job: dict[str, Any]) -> str:
    return f"/jobs/{job['id']}/predict"


@pytest.fixture(scope="module")
def pixels(digits: Digits) -> np.ndarray:  # (1000, 784)
    return (digits.test.images[:1000] * 255).round().to(torch.uint8).numpy()


def predictions(client: TestClient, url: str, images: Any, **more: Any) -> list[dict[str, Any]]:
    answer = client.post(url, json={"images": images, **more})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["predictions"]
    return found


def read(answer: Any) -> list[int]:
    return [prediction["digit"] for prediction in answer.json()["predictions"]]


def test_a_finished_job_predicts(client: TestClient, finished: dict[str, Any]) -> None:
    answer = client.post(f"/jobs/{finished['id']}/predict", json={"images": [[0.5] * 784], "top_k": 2})

    [prediction] = answer.json()["predictions"]
    first, second = prediction.pop("top_k")
    assert answer.json()["model"] == {
        "job_id": finished["id"],
        "name": None,
        "version": None,
        "norm": "weight",
        "init": True,
        "step": 20,
        "weights_sha256": finished["weights_sha256"],
        "from_running_job": False,
    }
    [warning] = prediction.pop("warnings")
    assert warning["code"] == "unlike_mnist"
    assert prediction == {
        "image_index": None,
        "digit": first["digit"],
        "confidence": first["probability"],
        "intake": None,
        "probabilities": None,
        "logits": None,
        "image": None,
        "error": None,
    }
    assert 1 > first["probability"] > second["probability"] > 0


@pytest.fixture(scope="module")
def forms(pixels: np.ndarray) -> dict[str, dict[str, Any]]:
    """One digit in each form that JSON takes."""
    seven = pixels[0]
    png = base64.b64encode(saved(seven.reshape(28, 28), "PNG")).decode()
    return {
        "784 numbers": {"images": [(seven / 255).tolist()]},
        "28 rows": {"images": [(seven / 255).reshape(28, 28).tolist()]},
        "bytes": {"images": [seven.tolist()], "scale": "byte"},
        "rows of bytes": {"images": [seven.reshape(28, 28).tolist()], "scale": "byte"},
        "png": {"images": [{"png": png}]},
        "png and scale": {"images": [{"png": png}], "scale": "byte"},
    }


@pytest.mark.parametrize("form", ["784 numbers", "28 rows", "bytes", "rows of bytes", "png", "png and scale"])
def test_a_digit_is_the_same_in_every_form_of_json(
    trained: TestClient, url: str, forms: dict[str, Any], form: str, pixels: np.ndarray
) -> None:
    answer = trained.post(url, json={**forms[form], **ALL}).json()["predictions"]
    expected = trained.post(url, json={**forms["784 numbers"], **ALL}).json()["predictions"]

    fed = (pixels[0].reshape(28, 28) / np.float32(255)).tolist()
    assert [{**prediction, "intake": None} for prediction in answer] == expected
    assert (answer[0]["digit"], answer[0]["image"]) == (7, fed)


def test_forms_may_stand_side_by_side(trained: TestClient, url: str, forms: dict[str, Any]) -> None:
    images = [forms[form]["images"][0] for form in ("png", "784 numbers", "28 rows")]

    answer = predictions(trained, url, images)

    assert [prediction["digit"] for prediction in answer] == [7, 7, 7]
    assert [prediction["intake"] is None for prediction in answer] == [False, True, True]


def test_one_file_of_a_form_just_works(trained: TestClient, url: str, pixels: np.ndarray) -> None:
    answer = trained.post(url, files={"file": ("7.png", saved(pixels[0].reshape(28, 28), "PNG"))})

    [prediction] = answer.json()["predictions"]
    assert (prediction["digit"], len(prediction["top_k"])) == (7, 3)
    assert prediction["intake"] == {
        "polarity": "light_on_dark",
        "applied": [],
        "bbox": [6, 7, 22, 27],
        "stroke_px": prediction["intake"]["stroke_px"],
        "warnings": [],
    }


def test_files_of_a_form_are_answered_in_their_order(
    trained: TestClient, url: str, pixels: np.ndarray
) -> None:
    files = [("file", (f"{place}.png", saved(pixels[place].reshape(28, 28), "PNG"))) for place in range(5)]

    assert read(trained.post(url, files=files)) == [7, 2, 1, 0, 4]


@pytest.mark.parametrize("declared", ["image/png", "image/jpeg"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_bare_picture_is_what_its_bytes_are(
    trained: TestClient, url: str, pixels: np.ndarray, kind: str, declared: str
) -> None:
    body = saved(pixels[0].reshape(28, 28), kind)

    assert read(trained.post(url, content=body, headers={"Content-Type": declared})) == [7]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("look", ["light on black", "dark on white", "off centre", "large", "grey paper"])
def test_a_digit_may_look_as_it_likes(
    trained: TestClient, url: str, pixels: np.ndarray, look: str, kind: str
) -> None:
    squares = [np.pad(row.reshape(28, 28), 4) for row in pixels[:8]]
    changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "light on black": lambda grey: grey,
        "dark on white": lambda grey: 255 - grey,
        "off centre": lambda grey: np.pad(grey, ((0, 40), (30, 2))),
        "large": lambda grey: np.kron(grey, np.ones((16, 16), np.uint8)),
        "grey paper": lambda grey: (210 - grey * 0.7).astype(np.uint8),
    }
    files = [("file", ("digit", saved(changes[look](grey), kind, quality=95))) for grey in squares]

    assert read(trained.post(url, files=files)) == [7, 2, 1, 0, 4, 1, 4, 9]


@pytest.mark.slow
def test_pictures_of_mnist_are_read_as_well_as_mnist(
    trained: TestClient, url: str, pixels: np.ndarray, digits: Digits
) -> None:
    files = [("file", ("digit", saved(row.reshape(28, 28), "PNG"))) for row in pixels]

    found = [read(trained.post(url, files=files[at : at + 250])) for at in range(0, 1000, 250)]

    assert np.mean(np.concatenate(found) == digits.test.labels[:1000].numpy()) >= 0.93


@pytest.mark.slow
def test_predictions_are_as_right_as_the_net(
    trained: TestClient, url: str, job: dict[str, Any], pixels: np.ndarray, digits: Digits
) -> None:
    weights = trained.get(f"{job['links']['checkpoints']}/latest/weights").content
    net = load_net(weights, TrainSpec(norm="weight", init=True))
    _, accuracy = net.evaluate(digits.test.images[:1000], digits.test.labels[:1000])

    answers = [
        predictions(trained, url, pixels[at : at + 250].tolist(), scale="byte") for at in range(0, 1000, 250)
    ]

    found = [prediction["digit"] for answer in answers for prediction in answer]
    assert np.mean(np.array(found) == digits.test.labels[:1000].numpy()) == accuracy.item()


@pytest.mark.parametrize("n_rows", [2, 16, 17, 64, 65, 100])
def test_a_row_has_the_same_bits_alone_and_among_others(
    trained: TestClient, url: str, pixels: np.ndarray, n_rows: int
) -> None:
    alone = predictions(trained, url, [pixels[0].tolist()], scale="byte", **ALL)
    others = pixels[1:n_rows].tolist()

    first = predictions(trained, url, [pixels[0].tolist(), *others], scale="byte", **ALL)
    last = predictions(trained, url, [*others, pixels[0].tolist()], scale="byte", **ALL)

    assert ([first[0]], [last[-1]]) == (alone, alone)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_a_prediction_has_the_same_bits_in_every_thread(
    sqlite_client: TestClient, digits: Digits, pixels: np.ndarray, norm: str
) -> None:
    job = work.trained(sqlite_client, digits, norm=norm, steps=5)
    url, images = f"/jobs/{job['id']}/predict", pixels[:65].tolist()

    with ThreadPoolExecutor(8) as senders:
        large = list(
            senders.map(lambda _: predictions(sqlite_client, url, images, scale="byte", **ALL), range(8))
        )
    small = predictions(sqlite_client, url, images[:1], scale="byte", **ALL)

    assert [answer[:1] for answer in large] == [small] * 8
    assert [answer == large[0] for answer in large] == [True] * 8


@pytest.mark.parametrize("top_k", [1, 10])
def test_digits_are_ranked(trained: TestClient, url: str, pixels: np.ndarray, top_k: int) -> None:
    [prediction] = predictions(
        trained, url, [pixels[0].tolist()], scale="byte", top_k=top_k, **{"return": ["probabilities"]}
    )

    ranked = sorted(enumerate(prediction["probabilities"]), key=lambda pair: -pair[1])
    assert prediction["top_k"] == [{"digit": digit, "probability": p} for digit, p in ranked[:top_k]]


@pytest.mark.parametrize(
    "returned", [[], ["logits"], ["probabilities"], ["image"], ["image", "logits"]], ids=str
)
def test_only_what_was_asked_for_is_returned(
    trained: TestClient, url: str, pixels: np.ndarray, returned: list[str]
) -> None:
    [prediction] = predictions(trained, url, [pixels[0].tolist()], scale="byte", **{"return": returned})

    given = {name for name in ("probabilities", "logits", "image") if prediction[name] is not None}
    assert given == {*returned}


def test_probabilities_are_the_softmax_of_the_logits(
    trained: TestClient, url: str, pixels: np.ndarray
) -> None:
    [prediction] = predictions(trained, url, [pixels[0].tolist()], scale="byte", **ALL)

    shares = torch.tensor(prediction["logits"]).softmax(-1)
    torch.testing.assert_close(torch.tensor(prediction["probabilities"]), shares)
    assert prediction["confidence"] == max(prediction["probabilities"])
