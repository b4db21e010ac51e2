"""The dispatcher: submits queued jobs to the engine, and requeues those whose task was lost."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from sqlalchemy.orm import Session
from uuid_utils import uuid4

from service.errors import DatabaseUnavailable, NormserveError, StorageFull
from service.store import clock, counters, jobs, queries, turns
from service.store.database import Database
from service.store.failures import OUT_OF_MEMORY, WORKER_LOST, Loss
from service.store.tables import Job
from service.store.waiting import MOST_OF_OWNER, candidates
from service.store.workers import record_workers
from service.work.growth import Growth
from service.work.plan import MOST_RUNS, plan
from service.work.stalls import Stalls

log = structlog.get_logger()

POLL_SECONDS = 0.5  # for what no announcement says
DRAIN_POLL_SECONDS = 0.04
CHECK_SECONDS = 2.0  # between two checks of the lock and the workers
RECOVERED = "the dispatcher started again"
MOST_COHORTS = MOST_OF_OWNER // MOST_RUNS  # per step: one owner's jobs must suffice for all of them


class LockLost(Exception):
    """The dispatcher lock was lost with its connection: another dispatcher may be active."""


class Future(Protocol):
    """What the dispatcher uses of an engine's future."""

    status: str

    def done(self) -> bool:
        """Return whether the task has ended in any way."""

    def release(self) -> None:
        """Let the engine forget the task."""

    def add_done_callback(self, call: Callable[[Any], None]) -> None:
        """Call this when the task has ended."""


class TrainingEngine(Protocol):
    """What the dispatcher needs of an engine."""

    def submit(self, keys: list[int], submission: str) -> Future:
        """Start a task that trains these jobs, under its submission token."""

    def slots(self) -> int:
        """Return how many tasks can run at once."""

    def workers(self) -> list[str]:
        """Return the names of the workers that run."""

    def counted(self) -> Mapping[str, Mapping[str, int]]:
        """Return what each worker has counted since it started, by name."""

    def assigned(self) -> set[str]:
        """Return the submission tokens of the tasks that a worker has; others wait for a worker."""

    def start_missing_workers(self) -> None:
        """Replace workers that the engine itself no longer restarts."""

    def exceeded_memory(self, future: Any) -> bool:
        """Return whether the worker of a failed task was killed for its memory."""

    def restart_worker(self, submission: str) -> None:
        """Restart the worker that has this task."""

    def kill_paused_workers(self) -> None:
        """Kill workers of this machine that are paused: one may hold the database's write lock."""


@dataclass(frozen=True)
class TaskInFlight:
    """A task's token, and the step of each of its jobs, by key, when it was submitted."""

    submission: str
    steps: dict[int, int]


class Dispatcher:
    """The one active dispatcher of a database.

    Only memory knows what is in flight: after a crash, the rows bring it back.
    """

    def __init__(self, database: Database, engine: TrainingEngine, stall_seconds: float) -> None:
        self.database = database
        self.engine = engine
        self.stalls = Stalls(stall_seconds)
        self.growth = Growth()
        self.in_flight: dict[Future, TaskInFlight] = {}
        self.woken = threading.Event()
        """Set when a task ends or a job is announced, so that neither waits for the next poll."""

    def recover(self) -> int:
        """Requeue the jobs that an earlier dispatcher left running; return how many."""
        self.stalls.reset()
        self.growth.reset()
        self._end_paused_sessions()
        ours = {task.submission for task in self.in_flight.values()}
        with self.database.writing() as session:
            jobs.revoke_submissions(session)
            turns.forget_ended_owners(session)
            left = [job for job in queries.running(session) if job.submission not in ours]
            for job in left:
                jobs.requeue_if_running(session, job.key, job.attempt, RECOVERED, clock.now(session))
            return len(left)

    def run(self, stop: threading.Event, is_active: Callable[[], bool]) -> None:
        """Take a step whenever a task ends or a job is announced, and every few moments, until asked to stop.

        Waits while the database is away. Raises LockLost when another dispatcher may be active.
        """
        next_check = 0.0
        while not stop.is_set():
            self.woken.wait(POLL_SECONDS)
            self.woken.clear()
            check = time.monotonic() > next_check
            if check:
                if not is_active():
                    raise LockLost
                next_check = time.monotonic() + CHECK_SECONDS
            try:
                if check:
                    self.check_workers(time.monotonic())
                self.step()
            except NormserveError as error:
                log.warning("waiting for the database", reason=error.detail)
                stop.wait(1)

    def step(self) -> None:
        """Collect the tasks that have ended, then submit as many as the engine has room for."""
        self._collect()
        # At most one cohort per slot: jobs that wait here can still be stacked with later ones.
        slots = self.engine.slots()
        room = slots - len(self.in_flight)
        if room > 0:
            self._submit_cohorts(slots, room)

    def check_workers(self, now: float) -> None:
        """Replace missing workers, restart those that hang, and store which there are and what they count."""
        self.engine.start_missing_workers()
        workers, counted = self.engine.workers(), self.engine.counted()
        self._restart_hanging_workers(now)
        self._end_paused_sessions()
        try:
            with self.database.writing() as session:
                record_workers(session, workers, clock.now(session))
                counters.add(session, self.growth.since_stored(counted))
            self.growth.note_stored(counted)
        except StorageFull:
            self.stalls.reset()  # the workers wait for room, as we do
            raise

    def _end_paused_sessions(self) -> None:
        ended = self.database.end_paused_sessions()
        if ended:
            log.warning("paused sessions ended", sessions=ended)

    def _restart_hanging_workers(self, now: float) -> None:
        # A worker that hangs may hold the lock of a SQLite file, so nothing is written here.
        try:
            with self.database.reading() as session:
                moves = queries.latest_moves(session, self._keys_in_flight())
        except DatabaseUnavailable:
            self.stalls.reset()  # nobody can store progress
            raise
        # A task that neither trains nor has a worker may wait for one that is busy and healthy.
        assigned = self.engine.assigned()
        states = {
            task.submission: tuple(moves.get(key) for key in task.steps)
            for task in self.in_flight.values()
            if task.submission in assigned or moves.keys() & task.steps.keys()
        }
        for submission in self.stalls.update(states, now):
            log.warning("a worker hangs", task=submission, seconds=self.stalls.stall_seconds)
            self.engine.restart_worker(submission)

    def drain(self, seconds: float) -> None:
        """Ask all tasks to hand their jobs back, and wait until they have, at most so long."""
        with self.database.writing() as session:
            jobs.request_stop(session)
        deadline = time.monotonic() + seconds
        while self._running() and time.monotonic() < deadline:
            time.sleep(DRAIN_POLL_SECONDS)  # only the rows show that a task has handed its jobs back

    def _running(self) -> Sequence[Job]:
        self._collect()
        with self.database.reading() as session:
            return queries.running(session)

    def _collect(self) -> None:
        # The task of a worker that dies has failed (`allowed-failures` in dask_settings.py).
        ended = [future for future in self.in_flight if future.done()]
        if any(future.status != "finished" for future in ended):
            self.engine.kill_paused_workers()
        for future in ended:
            loss = OUT_OF_MEMORY if self.engine.exceeded_memory(future) else WORKER_LOST
            with self.database.writing() as session:
                _requeue_unfinished(session, self.in_flight[future], future.status, loss)
            del self.in_flight[future]
            future.release()

    def _submit_cohorts(self, slots: int, room: int) -> None:
        for cohort in self._choose(slots, min(room, MOST_COHORTS)):
            task = TaskInFlight(uuid4().hex, {job.key: job.step for job in cohort})
            with self.database.writing() as session:
                jobs.set_submission(session, task.steps, task.submission)
                turns.serve(session, cohort[0].owner)
            future = self.engine.submit(list(task.steps), task.submission)
            self.in_flight[future] = task
            future.add_done_callback(lambda _: self.woken.set())

    def _choose(self, slots: int, room: int) -> list[list[Job]]:
        enough = 2 * slots * MOST_RUNS  # so many that every cohort may be as large as any
        with self.database.reading() as session:
            found = candidates(session, self._keys_in_flight(), room, enough + room * MOST_RUNS)
        return plan(found.jobs, slots, room, found.turns, found.n_waiting)

    def _keys_in_flight(self) -> set[int]:
        return {key for task in self.in_flight.values() for key in task.steps}


def _requeue_unfinished(session: Session, task: TaskInFlight, outcome: str, loss: Loss) -> None:
    """Requeue the jobs of a task that ended without ending them or handing them back."""
    # A worker may still have a task that the engine gave up: nobody would requeue what it claims later.
    jobs.revoke_submission(session, task.steps, task.submission)
    left = queries.running(session, task.submission)
    if left:
        place = {"jobs": [job.id for job in left], "attempts": [job.attempt for job in left]}
        log.warning("worker lost", **place, steps=[job.step for job in left], task=outcome, code=loss.code)
    for job in left:
        jobs.requeue_lost(session, job.key, job.attempt, task.steps[job.key], loss, clock.now(session))
