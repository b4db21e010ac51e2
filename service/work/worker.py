"""A worker process, prepared before its first job; Dask preloads this module."""

import asyncio
import os
import platform
import signal
import threading
from collections import Counter
from functools import cache, lru_cache
from typing import Any

import structlog
import torch

from models.data.digits import Digits, load
from models.data.originals import DatasetUnavailable
from models.specs.datasets import Dataset
from models.specs.estimate import Speed
from models.specs.spec import TrainSpec
from models.training.kernels import kernels_sha256
from models.training.loop import Run, Training, prepare_thread
from models.training.speed import measure_speed
from service import failpoints
from service.errors import NormserveError
from service.logs import configure_logs
from service.settings import Settings
from service.store import clock, machines
from service.store.builds import Build
from service.store.database import Database
from service.store.training_counts import MICROSECONDS, STEPS, class_of
from service.work.dask_settings import COUNTED

log = structlog.get_logger()

NICENESS = 10  # requests go before training
DATASETS_IN_MEMORY = 2  # 220 MB each
LEAVE_SECONDS = 6  # Dask kills a worker 8 seconds after its nanny was asked to stop

leaving = threading.Event()
"""Set when this process is asked to stop: it hands its jobs back after the current span."""
training = threading.Lock()
"""Held by the task that trains. A process that stops takes it and keeps it, so that no task starts."""
counted: Counter[str] = Counter()
"""What this process has trained and stored. Its heartbeats carry it: workers write no row in common."""


@cache
def database() -> Database:
    """Open the database, once per process: its URL comes from the environment, never from a task."""
    return Database(Settings().database)


def longest_span_seconds() -> float:
    """Return the longest time between two rows that a large net stores."""
    return Settings().longest_span_seconds


@cache
def build() -> Build:
    """Return what this process computes with, for each of its attempts; call `prepare_thread` before."""
    return Build(torch.__version__, torch.backends.cpu.get_cpu_capability(), kernels_sha256())


@lru_cache(maxsize=DATASETS_IN_MEMORY)
def digits(dataset: Dataset) -> Digits:
    """Load a data set, and keep the last two in memory; raise DatasetUnavailable."""
    return load(dataset, Settings().dataset_dir)


def count_commit(steps: int, seconds: float) -> None:
    """Count the spans of a cohort: their steps, and the time that they took to be stored."""
    counted.update({STEPS: steps, class_of(seconds): 1, MICROSECONDS: round(seconds * 1e6)})


def dask_setup(worker: Any) -> None:
    """Configure logs and priority, and train one step, so that the first job finds the libraries warm."""
    worker.metrics[COUNTED] = lambda _: dict(counted)
    configure_logs(Settings())
    failpoints.arm(Settings().failpoints, Settings().data_dir / "failpoints")
    os.nice(NICENESS)
    # Its nanny asks it to stop; a signal to all processes of the machine would kill it before that.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    prepare_thread()
    build()
    database()
    try:
        spec = TrainSpec(norm="batch", init=True, steps=1, n_units=8)
        list(Training([Run(spec)], digits(spec.dataset)).spans())
        record_speed(measure_speed(digits(spec.dataset)))
    except DatasetUnavailable as error:
        # The worker stays, so that jobs that need the data set fail with this reason.
        log.error("data set unavailable", reason=str(error))
    except NormserveError as error:
        log.warning("machine speed not stored", reason=error.detail)


async def dask_teardown(_worker: object) -> None:
    """Wait until the jobs of this worker are handed back; else its end would count as a death."""
    leaving.set()
    await asyncio.to_thread(training.acquire, timeout=LEAVE_SECONDS)


def record_speed(speed: Speed) -> None:
    """Store how fast this machine is, for estimates."""
    torch_version, cpu_capability, _ = build()
    with database().writing() as session:
        machines.record(session, platform.node(), torch_version, cpu_capability, speed, clock.now(session))
