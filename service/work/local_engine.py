"""The engine of one machine: a Dask cluster whose workers are warm before the first job."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterable
from typing import Any

import dask
import psutil
import structlog
from distributed import Client, LocalCluster
from distributed.core import Status
from distributed.utils import get_mp_context

from service.work.dask_client import Task, counted, exceeded_memory, holders, submit
from service.work.dask_settings import FORKED_FROM, SETTINGS, WORKER_MODULE, worker_bytes

log = structlog.get_logger()


class LocalEngine:
    """Processes of one thread each, on loopback, over TLS with temporary certificates."""

    def __init__(self, workers: int, task: Task) -> None:
        dask.config.set(SETTINGS)
        # Workers are killed rather than closed: the resource tracker would complain of their semaphores.
        sys.warnoptions.append("ignore:resource_tracker")
        get_mp_context().set_forkserver_preload(FORKED_FROM)  # type: ignore[no-untyped-call] # distributed's is untyped
        self.cluster: Any = LocalCluster(  # type: ignore[no-untyped-call] # distributed's is untyped
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=worker_bytes(workers),
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            security=True,
            preload=[WORKER_MODULE],
        )
        self.client: Any = Client(self.cluster)  # type: ignore[no-untyped-call] # the same
        self._workers = workers
        self._task = task

    def slots(self) -> int:
        """Return how many workers there should be."""
        return self._workers

    def start_missing_workers(self) -> None:
        """Replace workers that are gone, and those whose nanny could not start them."""
        for name, nanny in list(self.cluster.workers.items()):
            if nanny.status in (Status.closed, Status.failed):
                log.warning("worker failed to start", worker=name)
                self.cluster.workers.pop(name, None)
        if len(self.cluster.workers) < self._workers:
            self.cluster.scale(self._workers)

    def workers(self) -> list[str]:
        """Return the addresses of the workers that run; a worker that restarts gets another address."""
        workers = self.client.scheduler_info()["workers"]
        return [address for address, worker in workers.items() if worker["status"] == "running"]

    def counted(self) -> dict[str, dict[str, int]]:
        """Return what each worker has counted since it started."""
        return counted(self.client)

    def assigned(self) -> set[str]:
        """Return the submission tokens of the tasks that a worker has."""
        return set().union(*self.client.processing().values())

    def submit(self, keys: list[int], submission: str) -> Any:
        """Start the task under its submission token; return its future."""
        return submit(self.client, self._task, keys, submission)

    def exceeded_memory(self, future: Any) -> bool:
        """Return whether the worker of this task was killed for its memory."""
        return exceeded_memory(self.client, future)

    def restart_worker(self, submission: str) -> None:
        """Kill the worker that has this task; its nanny starts another."""
        having = holders(self.client, submission)
        _kill(pid for address, pid in self._pids() if address in having)

    def kill_paused_workers(self) -> None:
        """Kill workers that are paused: one may hold the database's write lock."""
        _kill(pid for _, pid in self._pids() if _is_paused(pid))

    def kill(self) -> None:
        """Kill the workers: the rows have all they know, and closing them in order takes seconds."""
        _kill(pid for _, pid in self._pids())

    def _pids(self) -> list[tuple[str | None, int]]:
        """Return the address and process id of each worker."""
        nannies = list(self.cluster.workers.values())
        return [
            (nanny.worker_address, nanny.process.pid)
            for nanny in nannies
            if nanny.process is not None and nanny.process.pid is not None
        ]


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _is_paused(pid: int) -> bool:
    """Return whether a process is stopped; False for one that is gone."""
    try:
        return psutil.Process(pid).status() in {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP}
    except psutil.Error:
        return False
