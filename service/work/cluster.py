"""The engine beyond one machine: any Dask cluster that is reached over TLS."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import structlog
from distributed import Client

from service.work.certificates import security
from service.work.engine import SETTINGS

log = structlog.get_logger()

LOOK_SECONDS = 1.0
CONNECT_SECONDS = 10


class Cluster:
    """A client of a scheduler that comes and goes; slots follow the workers that are there.

    A thread of its own asks the scheduler: the dispatcher never waits for an answer.
    """

    def __init__(self, scheduler: str, certificates: Path) -> None:
        dask.config.set(SETTINGS)
        self.scheduler = scheduler
        self.security = security(certificates)
        self.client: Any = None
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

    def submit(self, task: Callable[[list[int], str], None]) -> Callable[[list[int], str], Any]:
        """Answer a function that starts the task on the cluster under its submission token."""

        def start(keys: list[int], submission: str) -> Any:
            return self.client.submit(task, keys, submission, key=submission, pure=False)

        return start

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
            if self.client.status != "running":
                return []
            return list(self.client.scheduler_info()["workers"])
        except (OSError, TimeoutError) as error:
            log.warning("no answer from the scheduler", scheduler=self.scheduler, reason=str(error))
            return []
