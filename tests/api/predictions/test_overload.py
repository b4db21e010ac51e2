"""More predictions and uploads at once than an api can handle: some are refused, and it recovers."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import pytest

from tests.api.predictions.test_processes import LARGE, api
from tests.fixtures import Figure
from tests.process import PATIENCE_SECONDS

PIXELS = {"images": [[0.5] * 784]}
MOST_SECONDS = 50
"""Ten times the time in which the api shall recover: only a hang takes that long."""

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("many_files")]


async def overload(address: httpx.URL, path: str, n_of_each: int) -> list[httpx.Response]:
    """Send so many predictions and uploads at once, each over its own connection."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=10 * PATIENCE_SECONDS) as client:
        predictions = [client.post(path, json=PIXELS) for _ in range(n_of_each)]
        png = {"Content-Type": "image/png"}
        uploads = [client.post(path, content=LARGE, headers=png) for _ in range(n_of_each)]
        return await asyncio.gather(*predictions, *uploads)


def slowest(client: httpx.Client, path: str) -> float:
    """Return the 99th percentile of the seconds of 50 predictions, one after another."""
    seconds = []
    for _ in range(50):
        began = time.perf_counter()
        client.post(path, json=PIXELS).raise_for_status()
        seconds.append(time.perf_counter() - began)
    return quantiles(seconds, n=100, method="inclusive")[-1]


@pytest.mark.parametrize("n_of_each", [80, pytest.param(500, marks=pytest.mark.long)])
def test_an_overloaded_api_refuses_some_and_recovers(
    trained_file: Path, job: dict[str, Any], tmp_path: Path, figure: Figure, n_of_each: int
) -> None:
    path = f"/jobs/{job['id']}/predict"
    with api(trained_file, tmp_path) as (client, _):
        client.post(path, content=LARGE, headers={"Content-Type": "image/png"}).raise_for_status()
        before = slowest(client, path)

        responses = asyncio.run(overload(client.base_url, path, n_of_each))
        ended = time.monotonic()
        while slowest(client, path) > 2 * before:
            assert time.monotonic() - ended <= MOST_SECONDS
        seconds = time.monotonic() - ended

    statuses = Counter(response.status_code for response in responses)
    figure(f"seconds until an api is as fast as before {2 * n_of_each} requests", round(seconds, 1), "5")
    assert statuses.keys() <= {200, 429, 503}, statuses
    assert statuses[200] > 0
    assert statuses[503] > 0
    assert all("Retry-After" in response.headers for response in responses if response.status_code != 200)
