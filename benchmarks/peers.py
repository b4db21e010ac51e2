"""Histories beside MLflow's tracking server: the time to read them over REST, and to store a row.

MLflow is installed into a virtual environment that is deleted afterwards; `python benchmarks/peers.py FOLDER`
uses one that has it. Both services keep the same series in SQLite files on the same disk, with their default
settings, and take turns. A row of ours has all metrics of a step, one of MLflow's has one metric.
"""

import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from running import started

from models.specs.metrics import MetricRow
from models.specs.spec import TrainSpec
from service.store import schema
from service.store.database import Database
from service.store.jobs import ClaimedJob
from service.store.spans import SpanRecord, record_spans
from tests.store.rows import at, claimed_job, span

MLFLOW = "mlflow==3.17.2"
ROWS, LONG, EVAL_EVERY = 1_000, 100_000, 100
ROWS_PER_PAGE = 10_000
ROUNDS, LONG_ROUNDS = 100, 5
WARMING_SECONDS = 12
READING_AIM, WRITING_AIM = 10, 20
PATIENCE_SECONDS = 120


class Mlflow:
    """MLflow's REST API on one connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        name = f"experiment {time.time_ns()}"
        self.experiment = self.call("POST", "experiments/create", {"name": name})["experiment_id"]

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return the parsed response."""
        return json.loads(self.ask(method, path, body))

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        self.connection.request(method, f"/api/2.0/mlflow/{path}", content, headers)
        response = self.connection.getresponse()
        received = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {received[:200]!r}")
        return received

    def new_run(self) -> str:
        body = {"experiment_id": self.experiment, "start_time": 1}
        run_id: str = self.call("POST", "runs/create", body)["run"]["info"]["run_id"]
        return run_id

    def write(self, run_id: str, first: int) -> None:
        """Store so many rows that one request may hold."""
        rows = [
            {"key": "train_loss", "value": loss(step), "timestamp": step, "step": step}
            for step in range(first, first + ROWS)
        ]
        self.ask("POST", "runs/log-batch", {"run_id": run_id, "metrics": rows})

    def read(self, run_id: str) -> bytes:
        """Read the whole history of the metric, as one response."""
        return self.ask(
            "GET", f"metrics/get-history?{urlencode({'run_id': run_id, 'metric_key': 'train_loss'})}"
        )


class Ours:
    """Our REST API on one connection, and the store as a worker uses it."""

    def __init__(self, address: str, database: Database) -> None:
        self.connection = http.client.HTTPConnection(
            address.removeprefix("http://"), timeout=PATIENCE_SECONDS
        )
        self.database = database

    def ask(self, path: str) -> bytes:
        self.connection.request("GET", path)
        response = self.connection.getresponse()
        received = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status}")
        return received

    def new_job(self, steps: int) -> ClaimedJob:
        _, claimed = claimed_job(self.database, TrainSpec(steps=steps, eval_every=EVAL_EVERY))
        return claimed

    def span(self, claimed: ClaimedJob, first: int) -> SpanRecord:
        """Make the span of so many rows that a worker has to store."""
        rows = [row(step) for step in range(first, first + ROWS)]
        return span(claimed, first, first + ROWS - 1, rows=rows)

    def write(self, stored: SpanRecord) -> None:
        with self.database.writing() as session:
            record_spans(session, [stored], at(1))

    def read_pages(self, job_id: str, rows: int, query: str = "") -> int:
        """Read the rows of a history, page by page; return how many bytes they are."""
        pages = range(0, rows, ROWS_PER_PAGE)
        return sum(len(self.ask(f"/jobs/{job_id}/metrics?after_step={seen}{query}")) for seen in pages)


def loss(step: int) -> float:
    return 0.1 + 2.2 / (1 + step / 20)


def row(step: int) -> MetricRow:
    evaluated = 1 / step if step % EVAL_EVERY == 0 else None
    return MetricRow(step, loss(step), 1 / (1 + step), evaluated, evaluated, evaluated, evaluated, step / 700)


def seconds(call: Callable[[], object]) -> float:
    started_at = time.perf_counter()
    call()
    return time.perf_counter() - started_at


def alternate(rounds: int, calls: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Return the milliseconds of each call, round by round, the shortest first."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(1000 * seconds(call))
    return {name: sorted(times) for name, times in found.items()}


def show(what: str, found: dict[str, list[float]], aim: int) -> None:
    """Print the times of each, and how many times as long MLflow takes; it is the first."""
    peer = next(iter(found))
    for name, times in found.items():
        p50, p99 = statistics.median(times), times[int(0.99 * len(times))]
        ratio = "" if name == peer else f", {peer} / ours {statistics.median(found[peer]) / p50:.1f} ({aim})"
        print(f"{what}, {name}: p50 {p50:.2f} ms, p99 {p99:.2f} ms{ratio}", flush=True)


def store_alternating(mlflow: Mlflow, ours: Ours) -> tuple[str, str]:
    """Store the long series in both, span by span in turns; return the ids."""
    run_id, claimed = mlflow.new_run(), ours.new_job(LONG)
    found: dict[str, list[float]] = {"MLflow": [], "ours": []}
    for first in range(1, LONG, ROWS):
        made = ours.span(claimed, first)
        found["MLflow"].append(1000 * seconds(partial(mlflow.write, run_id, first)))
        found["ours"].append(1000 * seconds(partial(ours.write, made)))
    show(f"store {ROWS:,} rows", {name: sorted(times) for name, times in found.items()}, WRITING_AIM)
    return run_id, claimed.id


def compare(mlflow: Mlflow, ours: Ours) -> None:
    long_run, long_job = store_alternating(mlflow, ours)
    run_id, claimed = mlflow.new_run(), ours.new_job(ROWS)
    mlflow.write(run_id, 1)
    ours.write(ours.span(claimed, 1))
    for what, rounds, run, job, rows in (
        (f"read {ROWS:,} rows", ROUNDS, run_id, claimed.id, ROWS),
        (f"read {LONG:,} rows", LONG_ROUNDS, long_run, long_job, LONG),
    ):
        if len(json.loads(mlflow.read(run))["metrics"]) != rows:
            raise RuntimeError("MLflow returned another number of rows")
        calls: dict[str, Callable[[], object]] = {
            "MLflow": partial(mlflow.read, run),
            "all metrics as JSON": partial(ours.read_pages, job, rows),
            "one metric as JSON": partial(ours.read_pages, job, rows, "&keys=train_loss"),
            "all metrics as CSV": partial(ours.ask, f"/jobs/{job}/metrics.csv"),
        }
        show(what, alternate(rounds, calls), READING_AIM)


@contextmanager
def installed(packages: Sequence[str], folder: str | None) -> Iterator[Path]:
    """Yield the programs of an environment that has these packages: the given one, or one for the moment."""
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as place:
        programs = Path(place) / "bin"
        if not folder:
            venv.create(place, with_pip=True)
            subprocess.run([programs / "pip", "install", "--quiet", *packages], check=True)
        yield programs


@contextmanager
def tracking(programs: Path, folder: str) -> Iterator[int]:
    """Run MLflow's tracking server, with a SQLite file in this folder, and yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    stores = ("--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--default-artifact-root", folder)
    address = ("--host", "127.0.0.1", "--port", str(port))
    # In a session of its own, because it starts several processes that must end with it.
    process = subprocess.Popen(
        [programs / "mlflow", "server", *stores, *address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(port)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError):
            Mlflow(port)
            return
        time.sleep(0.5)  # it says nothing when it is ready
    raise RuntimeError("MLflow does not respond")


def main() -> None:
    with (
        installed((MLFLOW,), sys.argv[1] if len(sys.argv) > 1 else None) as programs,
        tempfile.TemporaryDirectory() as folder,
    ):
        url = f"sqlite:///{folder}/normserve.db"
        database = Database(url)
        schema.upgrade(database.engine)
        with tracking(programs, folder) as port, started("api", DATABASE_URL=url) as address:
            time.sleep(WARMING_SECONDS)
            compare(Mlflow(port), Ours(address, database))
        database.close()


if __name__ == "__main__":
    main()
