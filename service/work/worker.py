"""What a worker process has ready before its first job; Dask preloads this module."""

import os
from functools import cache, lru_cache

import structlog

from models.data import Digits, load
from models.facts import Dataset
from models.originals import DatasetUnavailable
from models.spec import TrainSpec
from models.train import Run, Training, prepare_thread
from service.logs import configure_logs
from service.settings import Settings
from service.store.database import Database

log = structlog.get_logger()

NICENESS = 10  # the api answers before training goes on
DATASETS_IN_MEMORY = 2  # 220 MB each


@cache
def database() -> Database:
    """Open the database, once a process: its URL comes from the environment, never with a task."""
    return Database(Settings().database)


@lru_cache(maxsize=DATASETS_IN_MEMORY)
def digits(dataset: Dataset) -> Digits:
    """Load a data set and keep the last two; raises DatasetUnavailable."""
    return load(dataset, Settings().dataset_dir)


def dask_setup(worker: object) -> None:
    """Prepare this process: quiet, polite, and with the libraries' own first-call work done."""
    configure_logs(Settings())
    os.nice(NICENESS)
    prepare_thread()
    database()
    try:
        spec = TrainSpec(norm="batch", init=True, steps=1, n_units=8)
        list(Training([Run(spec)], digits(spec.dataset)).spans())
    except DatasetUnavailable as error:
        # The jobs that need it will fail with this reason; the worker stays to say so.
        log.error("data set unavailable", reason=str(error))
