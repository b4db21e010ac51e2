"""What a simulated queue is made of: jobs to train, tasks of an engine, workers that train nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from models.specs.metrics import MetricRow
from models.specs.spec import TrainSpec
from models.training.checkpoint import sha256
from models.training.loop import Checkpoint, Outcome, Span, Start
from service.store import jobs
from service.store.database import Database
from service.store.jobs import ClaimedJob
from service.work import task
from tests.store.rows import BUILD

DIVERGES, POISON = 1, 2  # seeds of jobs that do not end well
DIVERGES_AT = 3
SPECS = [
    TrainSpec(steps=steps, eval_every=steps, checkpoint_every=4, seed=seed)
    for steps in (4, 6)
    for seed in (0, 0, 0, 0, DIVERGES, POISON)
]


@dataclass(eq=False)
class Task:
    """A task of the engine, and its future."""

    number: int
    keys: list[int]
    submission: str
    status: str = "pending"
    runs: list["Worker"] = field(default_factory=list)
    """Who runs it or has run it: nobody while it waits, several where the engine has repeated it."""

    def done(self) -> bool:
        return self.status != "pending"

    def release(self) -> None:
        """Nothing is held."""

    def add_done_callback(self, call: Any) -> None:
        """Nobody waits: the next step is taken when the simulation says so."""

    def end(self, status: str) -> None:
        """End, unless the engine has given the task up: what it says later is not heard."""
        if self.status == "pending":
            self.status = status


class SimulatedEngine:
    """An engine without workers of its own: the simulation starts its tasks, and hides who is paused."""

    def __init__(self, slots: int) -> None:
        self.tasks: list[Task] = []
        self._slots = slots

    def submit(self, keys: list[int], submission: str) -> Task:
        self.tasks.append(Task(len(self.tasks) + 1, keys, submission))
        return self.tasks[-1]

    def slots(self) -> int:
        return self._slots

    def workers(self) -> list[str]:
        return []

    def counted(self) -> dict[str, dict[str, int]]:
        return {}

    def assigned(self) -> set[str]:
        return set()

    def start_missing_workers(self) -> None:
        """Nothing is: what dies stays dead."""

    def exceeded_memory(self, _task: Task) -> bool:
        return False

    def restart_worker(self, submission: str) -> None:
        """Nothing is: a queue must keep its rules where nobody can end a worker."""

    def kill_paused_workers(self) -> None:
        """Nobody is ended, for the same reason."""


@dataclass(eq=False)
class Worker:
    """A process with one task. It repeats a transaction until the database has answered."""

    number: int
    task: Task
    now: Callable[[], datetime]
    paused: bool = False
    dead: bool = False
    broken: bool = False
    """Its training will raise."""
    claimed: list[ClaimedJob] = field(default_factory=list)
    gone: list[ClaimedJob] = field(default_factory=list)
    """What the database has said not to be this worker's any more, in its last turn."""
    training: dict[int, int] | None = None
    """The last step of each run that is left, by its place in `claimed`; None before the claim."""
    spans: list[Span] = field(default_factory=list)
    """What is trained and not yet known to be stored."""

    def owns(self, key: int, attempt: int) -> bool:
        return any((job.key, job.attempt) == (key, attempt) for job in self.claimed)

    def take_turn(self, database: Database, length: int) -> None:
        """Claim, or train at most `length` steps and store them; end when nothing is left to train."""
        if self.training is None:
            self._claim(database)
        elif any(self.claimed[run].spec.seed == POISON for run in self.training):
            self.dead = True
        elif self.broken:
            self._fail(database)
        else:
            self._store(database, length)
        if self.training == {}:
            self.dead = True
            self.task.end("finished")

    def _claim(self, database: Database) -> None:
        with database.writing() as session:
            found = [
                jobs.claim_if_queued(session, key, self.task.submission, BUILD, self.now())
                for key in sorted(self.task.keys)
            ]
        self.claimed = [job for job in found if job is not None]
        for job in self.claimed:
            assert job.resume_state == (_state(job.key, job.step) if job.step else None)
        self.training = {run: job.step for run, job in enumerate(self.claimed)}

    def _fail(self, database: Database) -> None:
        with database.writing() as session:
            task._release_failed(session, self.claimed, RuntimeError("a bug"))
        self.training = {}

    def _store(self, database: Database, length: int) -> None:
        assert self.training
        self.spans = self.spans or [self._train(run, step, length) for run, step in self.training.items()]
        training: Any = SimpleNamespace(
            starts=[Start("i" * 64, "d" * 64)] * len(self.claimed),
            init_reports={},
            digits=SimpleNamespace(sha256="s" * 64),
        )
        with database.writing() as session:
            gone = task._store(session, self.claimed, training, self.spans, seconds=1.0)
        self.gone = [self.claimed[run] for run in gone]
        left = [span for span in self.spans if span.run not in gone and span.outcome is None]
        self.training, self.spans = {span.run: span.rows[-1].step for span in left}, []

    def _train(self, run: int, step: int, length: int) -> Span:
        """Make steps whose train loss is their attempt, so that a row tells who has written it."""
        job = self.claimed[run]
        diverges = job.spec.seed == DIVERGES
        end = DIVERGES_AT if diverges else job.spec.steps
        outcome: Outcome = "diverged" if diverges else "succeeded"
        steps = range(step + 1, min(step + length, end) + 1)
        rows = [MetricRow(step, job.attempt, 0.5, 0.5, 0.5, 0.5, 0.5, 0.001 * step) for step in steps]
        weights = b"weights of job %d" % job.key
        saved = [row for row in rows if job.spec.saves(row.step)]
        return Span(
            run=run,
            rows=rows,
            resume_state=None if steps[-1] == end else _state(job.key, steps[-1]),
            checkpoints=[Checkpoint(row, weights, sha256(weights)) for row in saved],
            telemetry=[],
            outcome=outcome if steps[-1] == end else None,
            first_non_finite=None,
        )


def _state(key: int, step: int) -> bytes:
    return b"job %d after step %d" % (key, step)
