"""What a worker process has ready before its first job; Dask preloads this module."""

import asyncio
import os
import platform
import signal
import threading
from functools import cache, lru_cache

import structlog
import torch

from models.data.digits import Digits, load
from models.data.originals import DatasetUnavailable
from models.specs.datasets import Dataset
from models.specs.estimate import Speed
from models.specs.spec import TrainSpec
from models.training.loop import Run, Training, prepare_thread
from models.training.speed import measure_speed
from service import failpoints
from service.clock import utc_now
from service.errors import NormserveError
from service.logs import configure_logs
from service.settings import Settings
from service.store import machines
from service.store.database import Database

log = structlog.get_logger()

NICENESS = 10  # the api answers before training goes on
DATASETS_IN_MEMORY = 2  # 220 MB each
LEAVE_SECONDS = 6  # of the 8 after which Dask kills one whose machine is asked to end

leaving = threading.Event()
"""Set when this process is asked to end: what it trains is handed back after its span."""
training = threading.Lock()
"""Held by the task that trains; one who leaves takes it for good, so that nothing begins any more."""


@cache
def database() -> Database:
    """Open the database, once a process: its URL comes from the environment, never with a task."""
    return Database(Settings().database)


@lru_cache(maxsize=DATASETS_IN_MEMORY)
def digits(dataset: Dataset) -> Digits:
    """Load a data set and keep the last two; raises DatasetUnavailable."""
    return load(dataset, Settings().dataset_dir)


def dask_setup(_worker: object) -> None:
    """Prepare this process: quiet, polite, and with the libraries' own first-call work done."""
    configure_logs(Settings())
    failpoints.arm(Settings().failpoints, Settings().data_dir / "failpoints")
    os.nice(NICENESS)
    # Who is asked to end is asked by its nanny; a signal to all of a machine's processes would kill it first.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    prepare_thread()
    database()
    try:
        spec = TrainSpec(norm="batch", init=True, steps=1, n_units=8)
        list(Training([Run(spec)], digits(spec.dataset)).spans())
        record_speed(measure_speed(digits(spec.dataset)))
    except DatasetUnavailable as error:
        # The jobs that need it will fail with this reason; the worker stays to say so.
        log.error("data set unavailable", reason=str(error))
    except NormserveError as error:
        log.warning("the speed of this machine is not stored", reason=error.detail)


async def dask_teardown(_worker: object) -> None:
    """Have the jobs of this worker handed back before the scheduler misses it and counts it as a death."""
    leaving.set()
    await asyncio.to_thread(training.acquire, timeout=LEAVE_SECONDS)


def record_speed(speed: Speed) -> None:
    """Store what this machine takes for each kind of work, for estimates."""
    build = torch.__version__, torch.backends.cpu.get_cpu_capability()
    with database().writing() as session:
        machines.record(session, platform.node(), *build, speed, utc_now())
