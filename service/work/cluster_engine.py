"""The engine of many machines: any Dask cluster that is reached over TLS."""

import threading
import time
from pathlib import Path
from typing import Any

import dask
import structlog
from distributed import Client
from distributed.utils import LoopRunner

from service.work.certificates import security
from service.work.dask_client import Task, counted, exceeded_memory, holders, submit
from service.work.dask_settings import SETTINGS

log = structlog.get_logger()

LOOK_SECONDS = 1.0
CONNECT_SECONDS = 10
RESTART_SECONDS = 20


class ClusterEngine:
    """A client of a scheduler that may go away and come back; there is one slot per worker.

    A thread polls the scheduler, so that the dispatcher never waits for a reply.
    """

    def __init__(self, scheduler: str, certificates: Path, task: Task) -> None:
        dask.config.set(SETTINGS)
        self.scheduler = scheduler
        self.security = security(certificates)
        self.client: Any = None
        self._task = task
        self._tasks: dict[str, list[str]] = {}
        self._counted: dict[str, dict[str, int]] = {}
        # A client that cannot connect leaks its loop, with a thread and files: all clients share one.
        self._runner = LoopRunner()
        self._runner.start()  # type: ignore[no-untyped-call] # distributed's is untyped
        self._first_look = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()
        self._first_look.wait(2 * CONNECT_SECONDS)

    def workers(self) -> list[str]:
        """Return the addresses of the workers that the scheduler knew a second ago."""
        return list(self._tasks)

    def slots(self) -> int:
        """Return how many workers there are: each has one thread."""
        return len(self._tasks)

    def counted(self) -> dict[str, dict[str, int]]:
        """Return what each worker had counted a second ago, since it started."""
        return self._counted

    def assigned(self) -> set[str]:
        """Return the submission tokens of the tasks that a worker had a second ago."""
        return set().union(*self._tasks.values())

    def start_missing_workers(self) -> None:
        """Do nothing: each machine restarts its own workers."""

    def submit(self, keys: list[int], submission: str) -> Any:
        """Start the task under its submission token; return its future."""
        return submit(self.client, self._task, keys, submission)

    def exceeded_memory(self, future: Any) -> bool:
        """Return whether the worker of this task was killed for its memory."""
        return exceeded_memory(self.client, future)

    def restart_worker(self, submission: str) -> None:
        """Have the nanny of the worker that has this task restart it."""
        threading.Thread(target=self._restart_worker, args=(submission,), daemon=True).start()

    def _restart_worker(self, submission: str) -> None:
        try:
            having = list(holders(self.client, submission))
            self.client.restart_workers(having, timeout=RESTART_SECONDS, raise_for_error=False)
        except Exception as error:  # whatever it was, the next stall tries again
            log.warning("worker restart failed", task=submission, reason=str(error))

    def kill_paused_workers(self) -> None:
        """Do nothing: the workers are on other machines, and hold no lock of a SQLite file."""

    def kill(self) -> None:
        """Do nothing: the workers belong to other machines, and their jobs are handed back."""

    def _watch(self) -> None:
        while True:
            found = self._look()
            if len(found) != len(self._tasks):
                log.info("number of workers changed", workers=len(found), before=len(self._tasks))
            self._tasks = found
            self._first_look.set()
            time.sleep(LOOK_SECONDS)  # a daemon: it ends with the process

    def _look(self) -> dict[str, list[str]]:
        """Return the workers that the scheduler knows, and the tasks of each; connect first if needed."""
        try:
            if self.client is None or self.client.status in {"closed", "closing"}:
                self.client = Client(  # type: ignore[no-untyped-call] # distributed's is untyped
                    self.scheduler, security=self.security, timeout=CONNECT_SECONDS, loop=self._runner.loop
                )
                log.info("connected to the scheduler", scheduler=self.scheduler)
            if self.client.status == "running":
                self._counted = counted(self.client)
                return dict(self.client.processing())
            reason = "the connection is lost"  # the client reconnects by itself
        except Exception as error:  # an error would end this thread
            reason = str(error)
        log.warning("scheduler unreachable", scheduler=self.scheduler, reason=reason)
        return {}
