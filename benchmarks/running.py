"""A service for benchmarks, on a free port and with a temporary folder."""

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
    """Yield the address of a service whose workers are warmed up; stop it afterwards."""
    with tempfile.TemporaryDirectory() as folder, started("up", DATA_DIR=folder) as address:
        warm_up(address)
        yield address


@contextmanager
def started(command: str, **settings: str) -> Iterator[str]:
    """Start a command that serves, and yield its address when it is ready; stop it afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command_line = [sys.executable, "-m", "service", command]
    process = subprocess.Popen(command_line, env=environment(**{"PORT": str(port), **settings}))
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def dispatching(**settings: str) -> Iterator[None]:
    """Run a dispatcher with its workers; stop it afterwards."""
    process = subprocess.Popen([sys.executable, "-m", "service", "dispatch"], env=environment(**settings))
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def environment(**settings: str) -> dict[str, str]:
    """Return this environment with settings of a service, which logs warnings only."""
    settings = {"LOG_LEVEL": "warning", **settings}
    return {**os.environ, **{f"NORMSERVE_{name}": value for name, value in settings.items()}}


def wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        time.sleep(0.1)  # before it listens there is nothing else to wait for
    raise RuntimeError("the service ended before it was ready")


def warm_up(address: str) -> None:
    """Run a few short jobs, so that every worker has trained once."""
    with httpx.Client(base_url=address, timeout=120) as client:
        [finish(client, client.post("/jobs", json={"steps": 50}).json()["id"]) for _ in range(4)]


def finish(client: httpx.Client, job_id: str) -> dict[str, object]:
    job: dict[str, object] = {"finished_at": None}
    while job["finished_at"] is None:
        job = client.get(f"/jobs/{job_id}?wait=30").json()
    return job
