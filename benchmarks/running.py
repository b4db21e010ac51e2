"""A service for benchmarks, on a free port and with a temporary folder."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx


class Server(NamedTuple):
    """A server that runs."""

    address: str
    pid: int


@contextmanager
def service() -> Iterator[str]:
    """Yield the address of a service whose workers are warmed up; stop it afterwards."""
    with tempfile.TemporaryDirectory() as folder, started("up", DATA_DIR=folder) as address:
        warm_up(address)
        yield address


@contextmanager
def started(command: str, **settings: str) -> Iterator[str]:
    """Start a command that serves, and yield its address when it is ready; stop it afterwards."""
    with started_server(command, **settings) as server:
        yield server.address


@contextmanager
def started_server(command: str, **settings: str) -> Iterator[Server]:
    """Start a command that serves, and yield its address and process when it is ready; stop it afterwards.

    It logs nothing but warnings unless LOG_LEVEL is among the settings; then nobody sees its lines.
    """
    port = free_port()
    command_line = [sys.executable, "-m", "service", command]
    variables = environment(**{"PORT": str(port), **settings})
    with serving(command_line, port, "/readyz", variables, quiet="LOG_LEVEL" in settings) as server:
        yield server


@contextmanager
def serving(
    command_line: Sequence[str | Path],
    port: int,
    ready: str,
    variables: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> Iterator[Server]:
    """Run a server until the end of the block, which begins when it responds at the path `ready`."""
    log = subprocess.DEVNULL if quiet else None
    # In a session of its own, because some servers start processes that must end with them.
    process = subprocess.Popen(command_line, env=variables, stdout=log, stderr=log, start_new_session=True)
    server = Server(f"http://127.0.0.1:{port}", process.pid)
    try:
        wait_until_ready(server.address + ready, process)
        yield server
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


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


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(url).status_code == 200:
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
