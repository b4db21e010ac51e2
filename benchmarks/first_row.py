"""Times that a client notices: first rows after a POST, predictions, and responsiveness under load.

docs/benchmarks.md has the results of one run, with its date and machine.
"""

import asyncio
import json
import os
import platform
import statistics
import time

import httpx
from running import finish, service

JOBS, PREDICTIONS, CLIENTS, WAITERS, PROBES = 20, 2000, 16, 500, 200
HEADERS = {"content-type": "application/json"}


def first_rows(client: httpx.Client) -> list[float]:
    """Return the seconds from each POST to the first response with a row, polling every 5 ms."""
    found = []
    for _ in range(JOBS):
        started = time.perf_counter()
        job_id = client.post("/jobs", json={"norm": "weight", "init": True}).json()["id"]
        while not client.get(f"/jobs/{job_id}/metrics?limit=1").json()["items"]:
            time.sleep(0.005)
        found.append(time.perf_counter() - started)
        finish(client, job_id)
    return found


async def predictions(address: str, job_id: str) -> float:
    """Return the predictions per second of 16 clients that send one image of 784 numbers per request."""
    body = json.dumps({"images": [[0.1] * 784]}).encode()
    async with httpx.AsyncClient(base_url=address, limits=httpx.Limits(max_connections=CLIENTS)) as client:

        async def ask(times: int) -> None:
            for _ in range(times):
                (
                    await client.post(f"/jobs/{job_id}/predict", content=body, headers=HEADERS)
                ).raise_for_status()

        started = time.perf_counter()
        await asyncio.gather(*(ask(PREDICTIONS // CLIENTS) for _ in range(CLIENTS)))
        return PREDICTIONS / (time.perf_counter() - started)


async def probe(address: str, waiters: int) -> list[float]:
    """Return the seconds of each GET /livez while many clients wait for a job that does not change."""
    limits = httpx.Limits(max_connections=waiters + 1)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=60) as client:
        busy = [(await client.post("/jobs", json={"steps": 10**6})).json()["id"] for _ in range(20)]
        waiting = [asyncio.create_task(client.get(f"/jobs/{busy[-1]}?wait=60")) for _ in range(waiters)]
        await asyncio.sleep(2)
        found = []
        for _ in range(PROBES):
            started = time.perf_counter()
            await client.get("/livez")
            found.append(time.perf_counter() - started)
        for job_id in busy[::-1]:
            await client.post(f"/jobs/{job_id}/cancel")
        await asyncio.gather(*waiting)
    return found


def milliseconds(values: list[float]) -> str:
    values = sorted(1000 * value for value in values)
    return f"median {statistics.median(values):.1f} ms, p99 {values[int(0.99 * len(values))]:.1f} ms"


def main() -> None:
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with service() as address, httpx.Client(base_url=address, timeout=120) as client:
        rows = first_rows(client)
        print(f"first rows after a POST, {len(rows)} jobs: {milliseconds(rows)}")
        job_id = client.get("/jobs?status=succeeded&sort=created_at").json()["items"][0]["id"]
        rate = asyncio.run(predictions(address, job_id))
        print(f"predictions of one image, {CLIENTS} clients: {rate:.0f} per second")
        for waiters in (0, WAITERS):
            probes = asyncio.run(probe(address, waiters))
            print(f"/livez, workers busy, {waiters} clients waiting: {milliseconds(probes)}")


if __name__ == "__main__":
    main()
