"""The engine beyond one machine: any Dask cluster that is reached over TLS."""

import threading
import time
from pathlib import Path
from typing import Any

import dask
import structlog
from distributed import Client
from distributed.utils import LoopRunner

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
        self._tasks: dict[str, list[str]] = {}
        # A client that cannot connect leaves its loop behind, thread and files: all share one.
        self._runner = LoopRunner()
        self._runner.start()  # type: ignore[no-untyped-call] # distributed's is untyped
        self._first_look = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()
        self._first_look.wait(2 * CONNECT_SECONDS)

    def workers(self) -> list[str]:
        """Name the workers that the scheduler knew a second ago."""
        return list(self._tasks)

    def slots(self) -> int:
        """Count them: each has one thread."""
        return len(self._tasks)

    def assigned(self) -> set[str]:
        """Name the tasks that a worker had a second ago, by their submission tokens."""
        return set().union(*self._tasks.values())

    def heal(self) -> None:
        """Do nothing: each machine starts its own workers again."""

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
            if len(found) != len(self._tasks):
                log.info("workers of the cluster", workers=len(found), before=len(self._tasks))
            self._tasks = found
            self._first_look.set()
            time.sleep(LOOK_SECONDS)  # a daemon: it ends with the process

    def _look(self) -> dict[str, list[str]]:
        """Ask which workers there are, and which tasks each has."""
        try:
            if self.client is None or self.client.status in {"closed", "closing"}:
                self.client = Client(  # type: ignore[no-untyped-call] # distributed's is untyped
                    self.scheduler, security=self.security, timeout=CONNECT_SECONDS, loop=self._runner.loop
                )
                log.info("connected to the scheduler", scheduler=self.scheduler)
            if self.client.status == "running":
                return dict(self.client.processing())
            reason = "the connection is lost"  # the client looks for the scheduler by itself
        except Exception as error:  # nobody would look any more
            reason = str(error)
        log.warning("no answer from the scheduler", scheduler=self.scheduler, reason=reason)
        return {}
