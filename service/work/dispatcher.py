"""The dispatcher: hands queued jobs to the engine, and takes back what the engine has lost."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from sqlalchemy.orm import Session
from uuid_utils import uuid4

from service.clock import utc_now
from service.errors import DatabaseUnavailable, NormserveError, StorageFull
from service.store import jobs, queries
from service.store.database import Database
from service.store.failures import OUT_OF_MEMORY, WORKER_LOST, Loss
from service.store.tables import Job
from service.store.workers import record_workers
from service.work.plan import plan
from service.work.stalls import Stalls

log = structlog.get_logger()

POLL_SECONDS = 0.04
LOOK_SECONDS = 2.0  # between two looks at the lock and the workers
RECOVERED = "the dispatcher started again"
MOST_PLANNED = 256  # jobs that are looked at, to find those of one shape


class LockLost(Exception):
    """The lock of the active dispatcher has gone with its connection: another may be active."""


class Future(Protocol):
    """What the dispatcher uses of a future of the engine."""

    status: str

    def done(self) -> bool:
        """Tell whether the task has ended in any way."""

    def release(self) -> None:
        """Let the engine forget the task."""

    def add_done_callback(self, call: Callable[[Any], None]) -> None:
        """Call this when the task has ended."""


class Engine(Protocol):
    """What the dispatcher asks of an engine."""

    def submit(self, keys: list[int], submission: str) -> Future:
        """Start a task that trains these jobs, under its submission token."""

    def slots(self) -> int:
        """Count the tasks that can run at once."""

    def workers(self) -> list[str]:
        """Name the workers that live."""

    def assigned(self) -> set[str]:
        """Name the tasks that a worker has, rather than waiting for one, by their submission tokens."""

    def heal(self) -> None:
        """Start anew what the engine has given up of its own."""

    def exceeded_memory(self, future: Any) -> bool:
        """Tell whether the worker of a task that has failed was ended because it took too much memory."""

    def restart_worker(self, submission: str) -> None:
        """End the worker that has this task, so that another is started."""

    def end_paused(self) -> None:
        """End workers of this machine that are paused: one may hold the database's write lock."""


@dataclass(frozen=True)
class Submitted:
    """A task in flight: its token, and the step of each of its jobs, by key, when it was submitted."""

    submission: str
    steps: dict[int, int]


class Dispatcher:
    """The one active dispatcher of a database.

    What is in flight is kept in memory only: after any crash the rows bring it back.
    """

    def __init__(self, database: Database, engine: Engine, stall_seconds: float) -> None:
        self.database = database
        self.engine = engine
        self.stalls = Stalls(stall_seconds)
        self.in_flight: dict[Future, Submitted] = {}
        self.woken = threading.Event()
        """Set when a task has ended or a job is announced, so that neither waits for the next poll."""

    def recover(self) -> int:
        """Put jobs of another dispatcher back into the queue, and count them."""
        self.stalls.forget()
        self._end_paused_sessions()
        ours = {task.submission for task in self.in_flight.values()}
        with self.database.writing() as session:
            jobs.disarm_waiting_tasks(session)
            left = [job for job in queries.running(session) if job.submission not in ours]
            for job in left:
                jobs.requeue_if_running(session, job.key, job.attempt, RECOVERED, utc_now())
            return len(left)

    def run(
        self, stop: threading.Event, is_active: Callable[[], bool], poll_seconds: float = POLL_SECONDS
    ) -> None:
        """Take a step now and then, and whenever a task ends or a job is announced, until asked to stop.

        A database that is away is asked again. Raises LockLost when another may be active.
        """
        next_look = 0.0
        while not stop.is_set():
            self.woken.wait(poll_seconds)
            self.woken.clear()
            look = time.monotonic() > next_look
            if look:
                if not is_active():
                    raise LockLost
                next_look = time.monotonic() + LOOK_SECONDS
            try:
                if look:
                    self.look_after_workers(time.monotonic())
                self.step()
            except NormserveError as error:
                log.warning("the dispatcher waits", reason=error.detail)
                stop.wait(1)

    def step(self) -> None:
        """Take back what has ended in the engine, then hand over as much as it has room for."""
        self._collect()
        # One cohort a slot: what waits here may still be stacked with what comes.
        slots = self.engine.slots()
        room = slots - len(self.in_flight)
        if room > 0:
            self._hand_over(slots, room)

    def look_after_workers(self, now: float) -> None:
        """End what has not moved for too long, and store which workers there are."""
        self.engine.heal()
        workers = self.engine.workers()
        self._end_hanging(now)
        self._end_paused_sessions()
        try:
            with self.database.writing() as session:
                record_workers(session, workers, utc_now())
        except StorageFull:
            self.stalls.forget()  # the workers wait for room, as we do
            raise

    def _end_paused_sessions(self) -> None:
        ended = self.database.end_paused_sessions()
        if ended:
            log.warning("sessions of paused clients were ended", sessions=ended)

    def _end_hanging(self, now: float) -> None:
        # A worker that hangs may hold the lock of a SQLite file: nothing is written here.
        try:
            with self.database.reading() as session:
                places = queries.places(session, self._handed_over())
        except DatabaseUnavailable:
            self.stalls.forget()  # nobody can store that it moves
            raise
        # A task that neither trains nor has a worker waits for one, perhaps for one that is busy and healthy.
        assigned = self.engine.assigned()
        looks = {
            task.submission: tuple(places.get(key) for key in task.steps)
            for task in self.in_flight.values()
            if task.submission in assigned or places.keys() & task.steps.keys()
        }
        for submission in self.stalls.found(looks, now):
            log.warning("a worker hangs", task=submission, seconds=self.stalls.stall_seconds)
            self.engine.restart_worker(submission)

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
        ended = [future for future in self.in_flight if future.done()]
        if any(future.status != "finished" for future in ended):
            self.engine.end_paused()
        for future in ended:
            loss = OUT_OF_MEMORY if self.engine.exceeded_memory(future) else WORKER_LOST
            with self.database.writing() as session:
                _take_back(session, self.in_flight[future], future.status, loss)
            del self.in_flight[future]
            future.release()

    def _hand_over(self, slots: int, room: int) -> None:
        with self.database.reading() as session:
            waiting = queries.queued(session, self._handed_over(), MOST_PLANNED)
            cohorts = plan(waiting, slots, room)
        for cohort in cohorts:
            task = Submitted(uuid4().hex, {job.key: job.step for job in cohort})
            with self.database.writing() as session:
                jobs.hand_over(session, task.steps, task.submission)
            future = self.engine.submit(list(task.steps), task.submission)
            self.in_flight[future] = task
            future.add_done_callback(lambda _: self.woken.set())

    def _handed_over(self) -> set[int]:
        return {key for task in self.in_flight.values() for key in task.steps}


def _take_back(session: Session, task: Submitted, outcome: str, loss: Loss) -> None:
    """Put jobs back into the queue whose task has ended without ending them or handing them back."""
    # A worker may still run what the engine has given up: nobody would take back what it claims later.
    jobs.disarm_task(session, task.steps, task.submission)
    for job in queries.running(session, task.submission):
        place = {"job": job.id, "attempt": job.attempt, "step": job.step}
        log.warning("a worker was lost", **place, task=outcome, code=loss.code)
        jobs.requeue_lost(session, job.key, job.attempt, task.steps[job.key], loss, utc_now())
