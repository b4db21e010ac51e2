"""The dispatcher: hands queued jobs to the engine, and takes back what the engine has lost."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from uuid_utils import uuid4

from service.errors import NormserveError
from service.store import jobs, queries
from service.store.database import Database
from service.store.tables import Job
from service.store.workers import record_workers
from service.work.plan import plan

log = structlog.get_logger()

POLL_SECONDS = 0.04
LOOK_SECONDS = 2.0  # between two looks at the lock and the workers
MOST_PLANNED = 256  # jobs that are looked at, to find those of one shape


class DispatcherReplaced(Exception):
    """The lock of the active dispatcher is lost: what is in flight is another's to take back."""


class Future(Protocol):
    """What the dispatcher uses of a future of the engine."""

    status: str

    def done(self) -> bool:
        """Tell whether the task has ended in any way."""

    def release(self) -> None:
        """Let the engine forget the task."""

    def add_done_callback(self, call: Callable[[Any], None]) -> None:
        """Call this when the task has ended."""


@dataclass(frozen=True)
class HandedOver:
    """A job as it was when its task was submitted."""

    key: int
    attempt: int
    step: int


class Dispatcher:
    """The one active dispatcher of a database.

    `submit(keys, submission)` starts a task on the engine and answers its future. What is in flight is
    kept in memory only: after any crash the rows bring it back.
    """

    def __init__(
        self,
        database: Database,
        submit: Callable[[list[int], str], Future],
        slots: Callable[[], int],
        workers: Callable[[], list[str]],
    ) -> None:
        self.database = database
        self.submit = submit
        self.slots = slots
        self.workers = workers
        self.in_flight: dict[Future, list[HandedOver]] = {}
        self.woken = threading.Event()
        """Set when a task has ended or a job is announced, so that neither waits for the next poll."""

    def recover(self) -> int:
        """Put jobs of an earlier dispatcher back into the queue, and count them."""
        with self.database.writing() as session:
            jobs.disarm_waiting_tasks(session)
            left = queries.running(session)
            for job in left:
                jobs.requeue_if_running(session, job.key, job.attempt, "the dispatcher started again", _now())
            return len(left)

    def run(
        self, stop: threading.Event, is_active: Callable[[], bool], poll_seconds: float = POLL_SECONDS
    ) -> None:
        """Take a step now and then, and whenever a task ends or a job is announced, until asked to stop.

        A database that is away is asked again. Raises DispatcherReplaced when another may be active.
        """
        next_look = 0.0
        while not stop.is_set():
            self.woken.wait(poll_seconds)
            self.woken.clear()
            look = time.monotonic() > next_look
            if look:
                if not is_active():
                    raise DispatcherReplaced
                next_look = time.monotonic() + LOOK_SECONDS
            try:
                if look:
                    self.record_workers()
                self.step()
            except NormserveError as error:
                log.warning("the dispatcher waits", reason=error.detail)
                stop.wait(1)

    def step(self) -> None:
        """Take back what has ended in the engine, then hand over as much as it has room for."""
        self._collect()
        # One cohort a slot: what waits inside the engine is bound to a worker, and would stay behind a long
        # job while another worker is idle.
        room = self.slots() - len(self.in_flight)
        if room > 0:
            self._hand_over(room)

    def record_workers(self) -> None:
        """Store which workers the engine has."""
        with self.database.writing() as session:
            record_workers(session, self.workers(), _now())

    def drain(self, seconds: float) -> None:
        """Ask all tasks to hand their jobs back, and wait until they have, or the time is over."""
        with self.database.writing() as session:
            jobs.request_stop(session)
        deadline = time.monotonic() + seconds
        while self._running() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)  # a task ends with its span; only its row tells

    def _running(self) -> Sequence[Job]:
        self._collect()
        with self.database.reading() as session:
            return queries.running(session)

    def _collect(self) -> None:
        for future in [future for future in self.in_flight if future.done()]:
            with self.database.writing() as session:
                # A worker may still run what the engine has given up: nobody would take back what it claims.
                jobs.hand_over(session, [handed.key for handed in self.in_flight[future]], None)
                for handed in self.in_flight[future]:
                    _take_back(session, handed, future.status)
            del self.in_flight[future]
            future.release()

    def _hand_over(self, room: int) -> None:
        busy = {handed.key for cohort in self.in_flight.values() for handed in cohort}
        with self.database.reading() as session:
            cohorts = plan(queries.queued(session, busy, MOST_PLANNED), self.slots(), room)
        for cohort in cohorts:
            keys, submission = [job.key for job in cohort], uuid4().hex
            with self.database.writing() as session:
                jobs.hand_over(session, keys, submission)
            handed = [HandedOver(job.key, job.attempt, job.step) for job in cohort]
            future = self.submit(keys, submission)
            self.in_flight[future] = handed
            future.add_done_callback(lambda _: self.woken.set())


def _take_back(session: Any, handed: HandedOver, outcome: str) -> None:
    """Put a job back into the queue whose task has ended without ending it or handing it back."""
    job = session.get(Job, handed.key)
    if job is None or job.status != "running" or job.attempt != handed.attempt + 1:
        return
    log.warning("a worker was lost", job=job.id, attempt=job.attempt, step=job.step, task=outcome)
    jobs.requeue_lost(session, job.key, job.attempt, handed.step, "its worker was lost", _now())


def _now() -> datetime:
    return datetime.now(UTC)
