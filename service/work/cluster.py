"""The engine beyond one machine: any Dask cluster that is reached over TLS."""

import threading
import time
from pathlib import Path
from typing import Any

import dask
import structlog
from distributed import Client

from service.work.certificates import security
from service.work.engine import SETTINGS, Task, exceeded_memory, holders, submit

log = structlog.get_logger()

LOOK_SECONDS = 1.0
CONNECT_SECONDS = 10
RESTART_SECONDS = 20


class Cluster:
    """A client of a scheduler that comes and goes; slots follow the workers that are there.

    A thread of its own asks the scheduler: the dispatcher never waits for an answer.
    """

    def __init__(self, scheduler: str, certificates: Path, task: Task) -> None:
        dask.config.set(SETTINGS)
        self.scheduler = scheduler
        self.security = security(certificates)
        self.client: Any = None
        self._task = task
        self._workers: list[str] = []
        self._first_look = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()
        self._first_look.wait(2 * CONNECT_SECONDS)

    def workers(self) -> list[str]:
        """Name the workers that the scheduler knew a second ago."""
        return self._workers

    def slots(self) -> int:
        """Count them: each has one thread."""
        return len(self._workers)

    def submit(self, keys: list[int], submission: str) -> Any:
        """Start the task under its submission token; answer its future."""
        return submit(self.client, self._task, keys, submission)

    def exceeded_memory(self, future: Any) -> bool:
        """Tell whether the worker of this task was ended because it took too much memory."""
        return exceeded_memory(self.client, future)

    def restart_worker(self, submission: str) -> None:
        """Have the nanny of the worker that has this task start another in its place."""
        threading.Thread(target=self._restart_worker, args=(submission,), daemon=True).start()

    def _restart_worker(self, submission: str) -> None:
        try:
            having = list(holders(self.client, submission))
            self.client.restart_workers(having, timeout=RESTART_SECONDS, raise_for_error=False)
        except Exception as error:  # whatever it was, the next stall tries again
            log.warning("a worker could not be restarted", task=submission, reason=str(error))

    def end_paused(self) -> None:
        """Do nothing: the workers are not on this machine, and hold no lock of a SQLite file."""

    def kill(self) -> None:
        """Do nothing: the workers are not ours, and the jobs are handed back."""

    def _watch(self) -> None:
        while True:
            found = self._look()
            if len(found) != len(self._workers):
                log.info("workers of the cluster", workers=len(found), before=len(self._workers))
            self._workers = found
            self._first_look.set()
            time.sleep(LOOK_SECONDS)  # a daemon: it ends with the process

    def _look(self) -> list[str]:
        try:
            if self.client is None or self.client.status in {"closed", "closing"}:
                self.client = Client(  # type: ignore[no-untyped-call] # distributed's is untyped
                    self.scheduler, security=self.security, timeout=CONNECT_SECONDS
                )
                log.info("connected to the scheduler", scheduler=self.scheduler)
            if self.client.status != "running":  # it looks for the scheduler by itself
                if self._workers:
                    log.warning("no answer from the scheduler", scheduler=self.scheduler)
                return []
            return list(self.client.scheduler_info()["workers"])
        except (OSError, TimeoutError) as error:
            log.warning("no answer from the scheduler", scheduler=self.scheduler, reason=str(error))
            return []
