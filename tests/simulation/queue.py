"""A queue simulated: the real store and dispatcher, with workers, faults and clients drawn by a seed.

The same seed makes the same events again.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from service.errors import DatabaseUnavailable, JobEnded, JobNotEnded
from service.store import deletion, jobs
from service.store.tables import ENDED
from service.work.dispatcher import Dispatcher
from tests.simulation.virtual import SPECS, SimulatedEngine, Task, Worker
from tests.simulation.watched import Watched
from tests.store.rows import T0

MOST_JOBS = 4
NEVER = 1e9  # seconds
ROUNDS = 200  # after which a queue without faults must have come to its end
LONGEST_SPAN = 3
FATES = {"answered": 90, "unanswered": 6, "failed": 4}
DISPATCHER = ("dispatch", "drain", "collect", "dispatcher dies", "dispatcher recovers")


class Broken(Exception):
    """A rule of the queue does not hold: which, of what seed, after what events."""


class Simulation:
    """One queue: `run` makes the events of its seed, then lets everything end without faults."""

    def __init__(self, database: Watched, seed: int) -> None:
        database.empty()
        database.before = self.before_transaction
        self.database = database
        self.seed = seed
        self.random = random.Random(seed)
        self.engine = SimulatedEngine(self.random.choice((1, 2)))
        self.time = T0
        self.script: list[str] = []
        self.happened: Counter[str] = Counter()
        self.faults = True
        self.workers: list[Worker] = []
        self.started = 0
        self.dispatcher: Dispatcher | None = None
        self.draining = False
        self.jobs: dict[int, str] = {}
        self.cancelled: set[int] = set()
        self.broken: set[int] = set()
        self.events = self.name_events()

    def now(self) -> datetime:
        return self.time

    def read_clock(self, _session: Session) -> datetime:
        return self.time

    def run(self, events: int) -> None:
        try:
            while len(self.script) < events:
                self.event()
            self.faults = False
            self.come_to_an_end()
            self.happened += self.database.check_ends(set(self.jobs), self.cancelled, self.broken)
        except Exception as error:
            script = "\n".join(f"{number:4} {line}" for number, line in enumerate(self.script, 1))
            raise Broken(f"seed {self.seed}: {type(error).__name__}: {error}\n{script}") from error

    def event(self, besides: Sequence[str] = ()) -> None:
        """Let one of the things happen that can."""
        possible = {
            name: (weight, found)
            for name, (weight, find, _) in self.events.items()
            if name not in besides and (found := find())
        }
        if not possible:
            return
        [name] = self.random.choices(list(possible), [weight for weight, _ in possible.values()])
        self.act(name, self.random.choice(possible[name][1]))

    def act(self, name: str, chosen: Any) -> None:
        self.time += timedelta(seconds=self.random.random())
        self.happened[name] += 1
        self.script.append(f"{name} {getattr(chosen, 'number', chosen)}")
        self.events[name][2](chosen)

    def name_events(self) -> dict[str, tuple[int, Callable[[], Sequence[Any]], Callable[[Any], None]]]:
        """Name what can happen: how often, to whom at the moment, and what it does."""
        return {
            "submit": (1, self.submittable, self.submit),
            "cancel": (1, self.cancellable, self.cancel),
            "delete": (1, lambda: list(self.jobs), self.delete),
            "dispatch": (50, lambda: self.dispatchers(draining=False), self.dispatch),
            "drain": (6, self.drainable, self.drain),
            "collect": (50, lambda: self.dispatchers(draining=True), self.collect),
            "dispatcher dies": (1, lambda: ["once"] if self.dispatcher else [], self.lose_dispatcher),
            "dispatcher recovers": (50, lambda: [] if self.dispatcher else ["again"], self.recover),
            "start": (50, lambda: [task for task in self.engine.tasks if not task.runs], self.start),
            "repeat": (2, lambda: self.pending(abandoned=False), self.start),
            "give up": (4, lambda: self.pending(abandoned=False), self.give_up),
            "notice": (50, lambda: self.pending(abandoned=True), self.give_up),
            "turn": (40, self.awake, self.turn),
            "pause": (130, self.awake, self.pause),
            "wake": (90, lambda: [worker for worker in self.workers if worker.paused], self.wake),
            "break": (1, self.awake, self.break_down),
            "crash": (5, lambda: self.workers, self.crash),
        }

    def come_to_an_end(self) -> None:
        """Go on without faults or clients until every job has ended and every worker has."""
        for _ in range(ROUNDS):
            for worker in self.workers:
                worker.paused = False
            if self.database.all_ended() and not self.workers:
                return
            if self.draining and not self.workers:
                self.act("dispatcher dies", "at last")
            if self.dispatcher is None:
                self.act("dispatcher recovers", "at last")
            for name in ("collect" if self.draining else "dispatch", "start", "turn", "notice"):
                for chosen in list(self.events[name][1]()):
                    self.act(name, chosen)
        raise AssertionError(f"after {ROUNDS} rounds the jobs are {self.database.statuses()}")

    # What a transaction meets.

    def before_transaction(self) -> str:
        if not self.faults:
            return "answered"
        if self.database.actor == "dispatcher" and self.random.random() < 0.2:
            with self.acting("interrupted"):
                self.event(besides=DISPATCHER)
        [fate] = self.random.choices(list(FATES), list(FATES.values()))
        if fate != "answered":
            self.happened[fate] += 1
            self.script.append(f"    {fate}")
        return fate

    @contextmanager
    def acting(self, actor: Worker | str) -> Iterator[None]:
        """Name whose transactions these are, and let the database fail them."""
        earlier, self.database.actor = self.database.actor, actor
        try:
            with suppress(DatabaseUnavailable):
                yield
        finally:
            self.database.actor = earlier

    # Clients.

    def submit(self, number: int) -> None:
        job = None
        with self.acting("client"), self.database.writing() as session:
            job = jobs.submit(session, SPECS[number], None, {}, self.now())
        if job is not None and job.key in self.database.statuses():
            self.jobs[job.key] = job.id

    def cancel(self, key: int) -> None:
        with self.acting("client"), suppress(JobEnded), self.database.writing() as session:
            self.cancelled.add(key)
            jobs.cancel_if_not_ended(session, self.jobs[key], self.now())

    def delete(self, key: int) -> None:
        with self.acting("client"), suppress(JobNotEnded), self.database.writing() as session:
            deletion.delete_job(session, self.jobs[key], self.now())
        if key not in self.database.statuses():
            del self.jobs[key]

    def submittable(self) -> Sequence[int]:
        waiting = [status for status in self.database.statuses().values() if status not in ENDED]
        return range(len(SPECS)) if len(waiting) < MOST_JOBS else ()

    def cancellable(self) -> list[int]:
        """The jobs that have not ended, and one that has."""
        statuses = self.database.statuses()
        ended = [key for key in self.jobs if statuses[key] in ENDED]
        return [key for key in self.jobs if key not in ended[1:]]

    # The dispatcher and its engine.

    def dispatchers(self, draining: bool) -> list[str]:
        """Those who have something to do: the others would only ask the database for nothing."""
        if self.dispatcher is None or self.draining != draining:
            return []
        in_flight = self.dispatcher.in_flight
        busy = {key for task in in_flight.values() for key in task.steps}
        waiting = any(
            status == "queued" and key not in busy for key, status in self.database.statuses().items()
        )
        ended = any(task.done() for task in in_flight)
        return ["now"] if ended or (waiting and not draining and len(in_flight) < self.engine.slots()) else []

    def drainable(self) -> list[str]:
        running = "running" in self.database.statuses().values()
        return ["now"] if self.dispatcher and running and not self.draining else []

    def recover(self, _: str) -> None:
        with self.acting("dispatcher"):
            successor = Dispatcher(self.database, self.engine, NEVER)
            successor.recover()
            self.dispatcher, self.draining = successor, False

    def dispatch(self, _: str) -> None:
        assert self.dispatcher is not None
        with self.acting("dispatcher"):
            self.dispatcher.step()

    def drain(self, _: str) -> None:
        assert self.dispatcher is not None
        self.draining = True
        with self.acting("dispatcher"):
            self.dispatcher.drain(0)

    def collect(self, _: str) -> None:
        assert self.dispatcher is not None
        with self.acting("dispatcher"):
            self.dispatcher._running()

    def lose_dispatcher(self, _: str) -> None:
        """Some of its workers die with it, others go on; tasks that wait may still be started."""
        self.dispatcher, self.draining = None, False
        for worker in list(self.workers):
            if self.random.random() < 0.5:
                self.crash(worker)

    def pending(self, abandoned: bool) -> list[Task]:
        """Tasks that have begun and not ended, with a worker or without."""
        return [
            task
            for task in self.engine.tasks
            if not task.done() and task.runs and all(worker.dead for worker in task.runs) == abandoned
        ]

    def give_up(self, task: Task) -> None:
        task.end("error")

    # Workers.

    def start(self, task: Task) -> None:
        self.started += 1
        self.workers.append(Worker(self.started, task, now=self.now))
        task.runs.append(self.workers[-1])

    def awake(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.paused]

    def turn(self, worker: Worker) -> None:
        with self.acting(worker):
            worker.take_turn(self.database, self.random.randint(1, LONGEST_SPAN))
        for job in worker.gone:
            assert not self.database.is_running(job.key, job.attempt), f"job {job.key} was its own worker's"
        if worker.dead:
            self.workers.remove(worker)

    def pause(self, worker: Worker) -> None:
        worker.paused = True

    def wake(self, worker: Worker) -> None:
        worker.paused = False

    def break_down(self, worker: Worker) -> None:
        worker.broken = True
        self.broken |= set(worker.task.keys)

    def crash(self, worker: Worker) -> None:
        worker.dead = True
        self.workers.remove(worker)
