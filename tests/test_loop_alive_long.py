"""The largest requests that each kind of endpoint accepts do not hold up the smallest."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from tests.fixtures import Figure
from tests.probes import Probe
from tests.process import Service, until
from tests.serving.picture_files import saved

pytestmark = pytest.mark.long

AT_ONCE = 8
STEPS = 10_000
KIB, MIB = 2**10, 2**20
JSON = {"Content-Type": "application/json"}
FLOATS = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def job(only_service: Service) -> dict[str, Any]:
    """A job with the longest page of a history."""
    spec: dict[str, Any] = {"steps": STEPS, "n_units": 16, "batch_size": 8, "telemetry": True}
    return only_service.finished(only_service.submit(**spec, norm="batch", eval_every=100))


def pictures() -> list[tuple[str, bytes]]:
    """As many as a request may have, each with as many pixels as it may have."""
    page = np.full((2000, 2000), 255, np.uint8)
    page[700:1300, 950:1050] = 0
    return [("file", saved(page, "PNG"))] * 256


def numbers() -> bytes:
    """As many images as a request may have, in nearly 4 MB."""
    row = b"[" + b",".join([b"0.1234567890123456"] * 784) + b"]"
    return b'{"images": [' + b",".join([row] * 256) + b"]}"


def arms() -> bytes:
    """A comparison of a thousand runs in 256 KB."""
    asked = {"arms": [{"name": f"arm {n}", "norm": "layer"} for n in range(200)], "seeds": 5}
    return orjson.dumps({**asked, "base": {"steps": 1}}).ljust(256 * KIB)


QUERY = b'{"filter": {"norm": "batch"}, "keys": ["train_loss"], "max_points": 2000}'.ljust(64 * KIB)
PREDICT = "/jobs/{id}/predict"
REQUESTS: dict[str, dict[str, Any]] = {
    "POST /jobs": {"content": b"{}".ljust(64 * KIB), "headers": JSON, "params": {"dry_run": "true"}},
    "POST /comparisons": {"content": arms(), "headers": JSON},
    "POST /metric-queries": {"content": QUERY, "headers": JSON},
    f"POST {PREDICT} numbers": {"content": numbers(), "headers": JSON},
    f"POST {PREDICT} float32": {"content": bytes(256 * 784 * 4), "headers": FLOATS},
    f"POST {PREDICT} pictures": {"files": pictures()},
    "GET /jobs?limit=200": {},
    "GET /jobs/{id}/metrics": {},
    "GET /jobs/{id}/metrics.csv": {},
    "GET /jobs/{id}/telemetry": {},
    "GET /jobs/{id}/plot.png": {},
    "GET /jobs/{id}/evaluation": {},
    "GET /jobs/{id}/export?format=onnx": {},
    "GET /jobs/{id}/checkpoints/latest/weights": {},
    "GET /openapi.json": {},
    "GET /ui/jobs": {},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_largest_requests_hold_up_no_small_one(
    only_service: Service, job: dict[str, Any], name: str, figure: Figure
) -> None:
    method, path = name.replace("{id}", job["id"]).split()[:2]

    def ask(_: int) -> httpx.Response:
        with httpx.Client(base_url=only_service.client.base_url, timeout=600) as client:
            return client.request(method, path, **REQUESTS[name])

    with Probe(str(only_service.client.base_url)) as probe, ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(ask, range(AT_ONCE)))
        until(lambda: len(probe.seconds) >= 50, "probes")

    figure(f"ms of /livez beside {AT_ONCE} × {name}, p99", probe.p99_ms(), "100")
    refused = [each for each in answers if each.status_code == 503 and "Retry-After" in each.headers]
    assert len(refused) < AT_ONCE
    assert {each.status_code for each in answers if each not in refused} <= {200, 201}
    assert probe.failed == []


@pytest.fixture(autouse=True)
def _forget_comparisons(only_service: Service) -> Iterator[None]:
    """Leave no thousand runs in the queue."""
    yield
    for each in only_service.client.get("/comparisons").json()["items"]:
        only_service.client.post(each["links"]["cancel"])
        only_service.client.delete(each["links"]["self"])
