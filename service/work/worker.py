"""What a worker process has ready before its first job; Dask preloads this module."""

import os
from functools import cache

import structlog

from models.data import DatasetCorrupt, Digits, load_mnist
from models.spec import TrainSpec
from models.train import Run, Training, prepare_thread
from service.logs import configure_logs
from service.settings import Settings
from service.store.database import Database

log = structlog.get_logger()

NICENESS = 10  # the api answers before training goes on


@cache
def database() -> Database:
    """Open the database, once a process: its URL comes from the environment, never with a task."""
    return Database(Settings().database)


@cache
def digits() -> Digits:
    """Load the data, once a process; raises DatasetCorrupt."""
    return load_mnist(Settings().data_dir / "datasets")


def dask_setup(worker: object) -> None:
    """Prepare this process: quiet, polite, and with the libraries' own first-call work done."""
    configure_logs(Settings())
    os.nice(NICENESS)
    prepare_thread()
    database()
    try:
        list(Training([Run(TrainSpec(norm="batch", init=True, steps=1, n_units=8))], digits()).spans())
    except DatasetCorrupt as error:
        # The jobs that need it will fail with this reason; the worker stays to say so.
        log.error("data set unavailable", reason=str(error))
