"""Predictions of a real api process: while it imports torch, while it is busy, and when it must stop."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.process import PATIENCE_SECONDS, free_port, kill, start, until
from tests.serving.picture_files import saved

SLOW_TORCH = Path(__file__).parents[2] / "slow_torch"
SMALL = saved(np.pad(np.full((20, 4), 255, np.uint8), 12), "PNG")
LARGE = saved(np.pad(np.full((1400, 300), 255, np.uint8), ((300, 300), (850, 850))), "PNG")
MOST = 256

pytestmark = pytest.mark.service


@contextmanager
def api(trained_file: Path, folder: Path, **environment: str) -> Iterator[tuple[httpx.Client, Any]]:
    """Run an api on a copy of the file; yield a client and the process."""
    shutil.copy(trained_file, folder / "normserve.db")
    port = free_port()
    settings = {"NORMSERVE_DATA_DIR": str(folder), "NORMSERVE_PORT": str(port), **environment}
    with (folder / "log").open("wb") as log:
        process = start(["api"], {**os.environ, **settings}, log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as client:
            until(lambda: is_live(client), "the api to listen")
            yield client, process
    finally:
        kill(process)
        process.wait()


def is_live(client: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return client.get("/livez").status_code == 200
    return False


def test_the_api_responds_while_a_prediction_waits_for_torch(
    trained_file: Path, job: dict[str, Any], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    environment = {"PYTHONPATH": str(SLOW_TORCH), "TORCH_GATE": str(gate)}

    with api(trained_file, tmp_path, **environment) as (client, _), ThreadPoolExecutor(1) as senders:
        waiting = senders.submit(client.post, f"/jobs/{job['id']}/predict", json={"images": [[0.5] * 784]})
        until(gate.with_suffix(".asked").exists, "torch to be asked for")
        meanwhile = [client.get(path).status_code for path in ("/livez", "/readyz", "/jobs")]
        was_done = waiting.done()
        gate.unlink()
        status = waiting.result().status_code

    assert (meanwhile, was_done, status) == ([200] * 3, False, 200)


def test_a_small_prediction_overtakes_large_ones_and_a_stop_refuses_the_rest(
    trained_file: Path, job: dict[str, Any], tmp_path: Path
) -> None:
    url, large, small = f"/jobs/{job['id']}/predict", [("file", LARGE)] * MOST, [("file", SMALL)]

    with api(trained_file, tmp_path) as (client, process), ThreadPoolExecutor(2) as senders:
        uploads = [senders.submit(client.post, url, files=large) for _ in range(2)]
        overtaking = [client.post(url, files=small).status_code for _ in range(3)]
        were_done = [upload.done() for upload in uploads]
        process.terminate()
        refused = [upload.result() for upload in uploads]
        code = process.wait(PATIENCE_SECONDS)

    assert (overtaking, were_done) == ([200] * 3, [False] * 2)
    assert [(each.status_code, each.json()["code"]) for each in refused] == [(503, "overloaded")] * 2
    assert [each.headers["retry-after"] for each in refused] == ["1"] * 2
    assert code == 0
