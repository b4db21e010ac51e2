"""Requests per second and their times: predictions of one api process, and /livez beside bare frameworks.

`wrk` repeats each request from 1, 16 and 64 connections, all requests in turns within one run.
`python benchmarks/serving.py livez` measures only those whose name has this word.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import orjson
from running import Server, finish, free_port, serving, started, started_server
from wrk import Asked, alternate, load

from models.data.originals import unpack_vendored

CLIENTS = (1, 16, 64)
SECONDS, ROUNDS = 3, 5
ROWS = 64
SPEC = {"steps": 500, "norm": "batch", "eval_every": 500, "checkpoint_every": 500}
WARMING_SECONDS = 12
"""After its start, the api imports for some seconds what predictions need."""
JSON = {"Content-Type": "application/json"}
BARE = ("fastapi", "starlette")


def digits(n: int) -> np.ndarray:
    """Return n test digits [n, 784], rounded like those of most clients."""
    images = unpack_vendored().splits()["test"][0][:n].reshape(n, -1).numpy()
    rounded: np.ndarray = np.round(images.astype(np.float64) / 255, 4)
    return rounded


def as_json(images: np.ndarray) -> bytes:
    return orjson.dumps({"images": images.tolist()})


def predictions(address: str, job: str) -> dict[str, Asked]:
    """Return the requests for predictions: one image in three forms, and many at once."""
    url, one, many = f"{address}/jobs/{job}/predict", digits(1), digits(ROWS)
    return {
        "one image, JSON": Asked(url, as_json(one), JSON),
        "one image, OIP binary": binary_inference(f"{address}/v2/models/{job}/infer", one),
        "one image, float32": Asked(url, as_floats(one), {"Content-Type": "application/octet-stream"}),
        f"{ROWS} images, JSON": Asked(url, as_json(many), JSON),
    }


def as_floats(images: np.ndarray) -> bytes:
    return images.astype("<f4").tobytes()


def binary_inference(url: str, images: np.ndarray) -> Asked:
    """Return a request of the inference protocol whose tensors are binary in both directions."""
    after = as_floats(images)
    tensor = {"name": "pixels", "datatype": "FP32", "shape": list(images.shape)}
    described = orjson.dumps(
        {
            "inputs": [{**tensor, "parameters": {"binary_data_size": len(after)}}],
            "parameters": {"binary_data_output": True},
        }
    )
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(described)),
    }
    return Asked(url, described + after, headers)


@contextmanager
def trained() -> Iterator[tuple[Path, str]]:
    """Yield a folder of data with a trained net, and the id of its job."""
    with tempfile.TemporaryDirectory() as folder:
        with (
            started("up", DATA_DIR=folder, WORKERS="1") as address,
            httpx.Client(base_url=address, timeout=120) as client,
        ):
            job = finish(client, client.post("/jobs", json=SPEC).json()["id"])
        yield Path(folder), str(job["id"])


@contextmanager
def bare(framework: str) -> Iterator[Server]:
    """Serve /livez with nothing but a framework."""
    port, here = free_port(), str(Path(__file__).parent)
    options = ("--app-dir", here, "--port", str(port), "--no-access-log", "--log-level", "warning")
    command = (sys.executable, "-m", "uvicorn", f"bare:{framework}", *options)
    with serving(command, port, "/livez", quiet=True) as server:
        yield server


def accepts(asked: Asked) -> bool:
    """Return whether the service has this form of a request."""
    return httpx.post(asked.url, content=asked.body, headers=dict(asked.headers)).status_code != 415


def measure(server: Server, job: str, others: dict[str, Server], words: Sequence[str]) -> None:
    """Print the figures of each request from so many clients."""
    asked = {name: (each, server) for name, each in predictions(server.address, job).items()}
    asked["/livez, ours"] = Asked(f"{server.address}/livez"), server
    asked |= {f"/livez, {name}": (Asked(f"{each.address}/livez"), each) for name, each in others.items()}
    chosen = {name: each for name, each in asked.items() if all(word in name for word in words)}
    loads = {
        f"{name}, {clients} clients": partial(load, each, clients, SECONDS, on.pid)
        for name, (each, on) in chosen.items()
        if not each.body or accepts(each)
        for clients in CLIENTS
    }
    for name, figures in alternate(ROUNDS, loads).items():
        print(f"{name}: {figures}", flush=True)


def main() -> None:
    with trained() as (folder, job), ExitStack() as stack:
        server = stack.enter_context(
            started_server("api", DATA_DIR=str(folder), LOG_LEVEL="info", LOG_FORMAT="json")
        )
        others = {name: stack.enter_context(bare(name)) for name in BARE}
        time.sleep(WARMING_SECONDS)
        measure(server, job, others, sys.argv[1:])


if __name__ == "__main__":
    main()
