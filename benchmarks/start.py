"""Cold starts: from the command `normserve up` to the first response, and to the first row of a job.

docs/benchmarks.md has the results of one run, with its date and machine.
"""

import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

import httpx
from running import environment

STARTS = 5
POLL_SECONDS = 0.01
WARMING_SECONDS = 8.0


def start(folder: str) -> tuple[float, float, float]:
    """Start a service; return the seconds to /livez, to the first row and of the slowest /livez."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "service", "up"]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment(PORT=str(port), DATA_DIR=folder))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            until_live(client, process)
            live = time.perf_counter() - began
            job_id = client.post("/jobs", json={}).json()["id"]
            while not client.get(f"/jobs/{job_id}/metrics?limit=1").json()["items"]:
                time.sleep(POLL_SECONDS)
            first_row = time.perf_counter() - began
            return live, first_row, slowest_live(client, began + WARMING_SECONDS)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def slowest_live(client: httpx.Client, until: float) -> float:
    """Return the seconds of the slowest /livez until this time, while the api imports torch."""
    slowest = 0.0
    while time.perf_counter() < until:
        asked = time.perf_counter()
        client.get("/livez").raise_for_status()
        slowest = max(slowest, time.perf_counter() - asked)
        time.sleep(POLL_SECONDS)
    return slowest


def until_live(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with suppress(httpx.TransportError):
            if client.get("/livez").status_code == 200:
                return
        time.sleep(POLL_SECONDS)  # before it listens there is nothing else to wait for
    raise RuntimeError("the service ended before it listened")


def main() -> None:
    found = []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory() as folder:
            found.append(start(folder))
    live, first_row, slowest = map(statistics.median, zip(*found, strict=True))
    print(f"{STARTS} cold starts, medians: /livez {live:.2f} s, first row {first_row:.2f} s")
    print(f"slowest /livez until {WARMING_SECONDS:g} s after the start: {1000 * slowest:.0f} ms")


if __name__ == "__main__":
    main()
