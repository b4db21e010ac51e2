"""One net at every path that predicts, and what is sent there."""

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
from tests.serving.picture_files import saved

PATHS = ("job", "name", "several", "comparison")
FLOAT32 = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="session")
def served(trained_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The API with one net: as a job, under a name, and in a comparison."""
    folder = tmp_path_factory.mktemp("forms")
    path = shutil.copy(trained_file, folder / "normserve.db")
    with serving(f"sqlite:///{path}", folder) as client:
        yield client


@pytest.fixture(scope="session")
def urls(served: TestClient) -> dict[str, str]:
    [job] = served.get("/jobs").json()["items"]
    served.put("/models/digits", json={"job": job["id"]}).raise_for_status()
    return {
        "job": f"/jobs/{job['id']}/predict",
        "name": "/models/digits/predict",
        "several": "/predict?model=digits",
        "comparison": f"{planted.with_net(served, job)['links']['self']}/predict",
    }


@pytest.fixture(scope="session")
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


def in_every_form(row: np.ndarray) -> dict[str, dict[str, Any]]:
    """Requests with one image (784,), bytes: as numbers from 0 to 1, and as pictures."""
    numbers, picture = [(row / 255).tolist()], saved(row.reshape(28, 28), "PNG")
    return {
        **{name: {"json": {name: numbers}} for name in ("images", "instances", "inputs")},
        "float32": {"content": (row / 255).astype("<f4").tobytes(), "headers": FLOAT32},
        "base64": {"json": {"instances": [{"b64": base64.b64encode(picture).decode()}]}},
        "form": {"files": [("files", picture)]},
        "bare": {"content": picture, "headers": {"Content-Type": "image/png"}},
    }
