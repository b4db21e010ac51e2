"""A service for a benchmark: on a free port and a temporary folder, its workers warm, ended afterwards."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx


@contextmanager
def service() -> Iterator[str]:
    """Yield the address of a service whose workers are warm."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.close()
        environment = {**os.environ, "NORMSERVE_DATA_DIR": folder, "NORMSERVE_PORT": str(port)}
        environment["NORMSERVE_LOG_LEVEL"] = "warning"
        process = subprocess.Popen([sys.executable, "-m", "service", "up"], env=environment)
        try:
            address = f"http://127.0.0.1:{port}"
            warm_up(address)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def warm_up(address: str) -> None:
    """Wait for the first jobs to end: then every worker has trained once."""
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(f"{address}/readyz").status_code == 200:
                break
        time.sleep(0.1)
    with httpx.Client(base_url=address, timeout=120) as client:
        [finish(client, client.post("/jobs", json={"steps": 50}).json()["id"]) for _ in range(4)]


def finish(client: httpx.Client, job_id: str) -> dict[str, object]:
    while (job := client.get(f"/jobs/{job_id}?wait=30").json())["finished_at"] is None:
        pass
    return job
