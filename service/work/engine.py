"""The engine: a Dask cluster in this process's care, its workers warm before the first job."""

import contextlib
import os
import signal
from collections.abc import Callable
from typing import Any

import dask
from distributed import Client, LocalCluster

WORKER_MODULE = "service.work.worker"  # by name: only workers import torch

# What the measurements asked for: our own count of deaths decides, nothing moves tasks that wait, no disk
# spilling of what is never large, little idle work.
SETTINGS: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.worker-ttl": "30s",
    "distributed.scheduler.work-stealing": False,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.comm.require-encryption": True,
    # A worker that dies is started again by its nanny, which can take long on a busy machine; by default the
    # cluster gives such a worker up after 15 seconds, and for ever.
    "distributed.deploy.lost-worker-timeout": "1000h",
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


class Engine:
    """A local cluster: processes of one thread each, on loopback, over TLS with temporary certificates."""

    def __init__(self, workers: int) -> None:
        dask.config.set(SETTINGS)
        self.cluster: Any = LocalCluster(  # type: ignore[no-untyped-call] # distributed's is untyped
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            security=True,
            preload=[WORKER_MODULE],
        )
        self.client: Any = Client(self.cluster)  # type: ignore[no-untyped-call] # the same
        self._workers = workers

    def slots(self) -> int:
        """Count the workers; one that the cluster has given up is started anew."""
        if len(self.cluster.workers) < self._workers:
            self.cluster.scale(self._workers)
        return self._workers

    def workers(self) -> list[str]:
        """Name the workers that live, each by its address; one that is started anew has another."""
        workers = self.client.scheduler_info()["workers"]
        return [address for address, worker in workers.items() if worker["status"] == "running"]

    def submit(self, task: Callable[[list[int], str], None]) -> Callable[[list[int], str], Any]:
        """Answer a function that starts the task on the engine under its submission token."""

        def start(keys: list[int], submission: str) -> Any:
            return self.client.submit(task, keys, submission, key=submission, pure=False)

        return start

    def kill(self) -> None:
        """End the workers at once: all they know is in the rows, and closing in order takes seconds."""
        for nanny in self.cluster.workers.values():
            if nanny.process is not None and nanny.process.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(nanny.process.pid, signal.SIGKILL)
