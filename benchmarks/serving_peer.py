"""Predictions beside LitServe: the same net, the same bodies, the same cores, in turns.

LitServe is installed into a virtual environment that is deleted afterwards; `python
benchmarks/serving_peer.py FOLDER` uses one that has it. Both servers run as they start by default, with all
cores of the machine: ours has one process, LitServe one for HTTP and one for the net. A third has two
processes too.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import httpx
import numpy as np
from peers import installed
from running import Server, free_port, serving, started_server
from serving import CLIENTS, JSON, ROWS, SECONDS, WARMING_SECONDS, as_json, digits, trained
from wrk import Asked, Figures, alternate, load

LITSERVE = ("litserve==0.2.19", "torch==2.13.0", "safetensors", "numpy")
ROUNDS = 5
AIM = 3
PEER = "LitServe"


@contextmanager
def litserve(programs: Path, net: bytes) -> Iterator[Server]:
    """Serve an exported net with LitServe."""
    port = free_port()
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        Path(file.name).write_bytes(net)
        script = Path(__file__).with_name("litserve_server.py")
        command = (programs / "python", script, file.name, str(port))
        with serving(command, port, "/health", quiet=True) as server:
            yield server


def api(folder: Path, processes: int) -> AbstractContextManager[Server]:
    """Serve the jobs of a folder with so many api processes."""
    return started_server(
        "api", DATA_DIR=str(folder), APIS=str(processes), LOG_LEVEL="info", LOG_FORMAT="json"
    )


def check_same_net(peer: Asked, ours: Asked) -> None:
    """Raise RuntimeError if the probabilities differ by more than rounding."""
    theirs = httpx.post(peer.url, content=peer.body, headers=JSON).json()["probabilities"]
    body = ours.body[:-1] + b',"return":["probabilities"]}'
    predictions = httpx.post(ours.url, content=body, headers=JSON).json()["predictions"]
    if not np.allclose(theirs, [each["probabilities"] for each in predictions], atol=1e-5):
        raise RuntimeError("LitServe serves another net")


def show(what: str, found: dict[str, Figures]) -> None:
    """Print the figures of each server, and their ratios."""
    peer = found.pop(PEER)
    print(f"{what}, {PEER}: {peer}")
    for name, ours in found.items():
        rate, p99 = ours.per_second / peer.per_second, peer.p99_ms / ours.p99_ms
        print(f"{what}, {name}: {ours}")
        print(f"{what}, {name}: {rate:.2f} times its rate ({AIM}), its p99 / ours {p99:.2f} (1)", flush=True)


def main() -> None:
    with (
        installed(LITSERVE, sys.argv[1] if len(sys.argv) > 1 else None) as programs,
        trained() as (folder, job),
        api(folder, 1) as ours,
        api(folder, 2) as two_of_ours,
    ):
        net = httpx.get(f"{ours.address}/jobs/{job}/export", timeout=60).raise_for_status().content
        with litserve(programs, net) as peer:
            time.sleep(WARMING_SECONDS)
            for rows in (1, ROWS):
                body = as_json(digits(rows))
                asked = {PEER: (Asked(f"{peer.address}/predict", body, JSON), peer)}
                for name, server in {"ours": ours, "ours with 2 apis": two_of_ours}.items():
                    asked[name] = (Asked(f"{server.address}/jobs/{job}/predict", body, JSON), server)
                    check_same_net(asked[PEER][0], asked[name][0])
                for clients in CLIENTS:
                    loads = {
                        name: partial(load, each, clients, SECONDS, on.pid)
                        for name, (each, on) in asked.items()
                    }
                    show(f"{rows} images, {clients} clients", alternate(ROUNDS, loads))


if __name__ == "__main__":
    main()
