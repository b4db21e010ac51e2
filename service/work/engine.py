"""The engine: a Dask cluster in this process's care, its workers warm before the first job."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import dask
import structlog
from distributed import Client, LocalCluster
from distributed.core import Status
from distributed.scheduler import KilledWorker
from distributed.system import MEMORY_LIMIT
from distributed.utils import get_mp_context

log = structlog.get_logger()

WORKER_MODULE = "service.work.worker"  # by name: only workers import torch

# What the measurements asked for: our own count of deaths decides, a task waits in the scheduler until a
# worker is free, no disk spilling of what is never large, little idle work.
SETTINGS: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.worker-ttl": "30s",
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.multiprocessing-method": "forkserver",
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,  # what a worker keeps between jobs would pause it for ever
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.comm.require-encryption": True,
    # The kernel answers for a process that is busy: who says nothing for so long is cut off.
    "distributed.comm.timeouts.tcp": "15s",
    # A worker that dies is started again by its nanny, which can take long on a busy machine; by default the
    # cluster gives such a worker up after 15 seconds, and for ever.
    "distributed.deploy.lost-worker-timeout": "1000h",
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}

# Workers are forked from a process that has imported what they run, in a third of a second rather than in
# five. It must have no thread and no connection: forks would not have the one and share the other.
FORKED_FROM = ["distributed", "service.__main__", "service.work.task", "service.work.forkserver"]

MEMORY_EVENTS = "worker-restart-memory"  # the topic on which nannies tell whom they end for its memory
ANSWER_SECONDS = 2
LATER_SECONDS = 0.5
# What runs beside the workers, and beside each: were all granted to them, the kernel would first end one.
RESERVED_BYTES = 256 * 2**20
NANNY_BYTES = 128 * 2**20

Task = Callable[[list[int], str], None]


class Engine:
    """A local cluster: processes of one thread each, on loopback, over TLS with temporary certificates."""

    def __init__(self, workers: int, task: Task) -> None:
        dask.config.set(SETTINGS)
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
        """Count the workers there should be."""
        return self._workers

    def heal(self) -> None:
        """Start workers in the place of those that are missing; a nanny whose worker did not start is one."""
        for name, nanny in list(self.cluster.workers.items()):
            if nanny.status in (Status.closed, Status.failed):
                log.warning("a worker could not be started", worker=name)
                self.cluster.workers.pop(name, None)
        if len(self.cluster.workers) < self._workers:
            self.cluster.scale(self._workers)

    def workers(self) -> list[str]:
        """Name the workers that live, each by its address; one that is started anew has another."""
        workers = self.client.scheduler_info()["workers"]
        return [address for address, worker in workers.items() if worker["status"] == "running"]

    def assigned(self) -> set[str]:
        """Name the tasks that a worker has, by their submission tokens."""
        return set().union(*self.client.processing().values())

    def submit(self, keys: list[int], submission: str) -> Any:
        """Start the task under its submission token; answer its future."""
        return submit(self.client, self._task, keys, submission)

    def exceeded_memory(self, future: Any) -> bool:
        """Tell whether the worker of this task was ended because it took too much memory."""
        return exceeded_memory(self.client, future)

    def restart_worker(self, submission: str) -> None:
        """Kill the worker that has this task; its nanny starts another."""
        having = holders(self.client, submission)
        _kill(pid for address, pid in self._pids() if address in having)

    def end_paused(self) -> None:
        """Kill workers that are paused: one may hold the database's write lock."""
        _kill(pid for _, pid in self._pids() if _is_paused(pid))

    def kill(self) -> None:
        """End the workers at once: all they know is in the rows, and closing in order takes seconds."""
        _kill(pid for _, pid in self._pids())

    def _pids(self) -> list[tuple[str | None, int]]:
        """Answer address and process of each worker."""
        nannies = list(self.cluster.workers.values())
        return [
            (nanny.worker_address, nanny.process.pid)
            for nanny in nannies
            if nanny.process is not None and nanny.process.pid is not None
        ]


def worker_bytes(workers: int) -> int:
    """Share out the memory of this machine, or of this container, to so many workers."""
    free = MEMORY_LIMIT - RESERVED_BYTES - workers * NANNY_BYTES
    return max(free, MEMORY_LIMIT // 2) // workers


def submit(client: Any, task: Task, keys: list[int], submission: str) -> Any:
    """Start a task as soon as a worker is free; answer its future."""
    # Dask lets only producers of data wait for a free worker: others are bound at once, while a worker is
    # started anew to one that is busy, for as long as that takes.
    return client.submit(task, keys, submission, key=submission, pure=False, _data_producer=True)


def exceeded_memory(client: Any, future: Any) -> bool:
    """Tell whether a nanny ended the worker of this task for its memory; not, where nobody answers."""
    if future.status != "error":
        return False
    try:
        error = future.exception(timeout=ANSWER_SECONDS)
        if not isinstance(error, KilledWorker):
            return False
        if _is_told(client, error):
            return True
        time.sleep(LATER_SECONDS)  # news of the death may come before the nanny's word
        return _is_told(client, error)
    except Exception as unknown:  # a client whose scheduler has just gone raises many things
        log.warning("why a worker was lost is not known", task=future.key, reason=str(unknown))
        return False


def _is_told(client: Any, error: KilledWorker) -> bool:
    events = client.sync(client.scheduler.events, topic=MEMORY_EVENTS, callback_timeout=ANSWER_SECONDS)
    dead = (error.last_worker.address, error.last_worker.pid)
    return any((event["worker"], event["pid"]) == dead for _, event in events)


def holders(client: Any, submission: str) -> set[str]:
    """Name the workers that have this task."""
    return {address for address, keys in client.processing().items() if submission in keys}


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _is_paused(pid: int) -> bool:
    """Tell whether a process is stopped, where the system shows that as a file."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] in "Tt"
