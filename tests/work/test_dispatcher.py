"""The dispatcher, one step at a time, with an engine whose tasks end when the test says so."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from sqlalchemy import select, update

from service.errors import DatabaseUnavailable
from service.store import clock, counters, jobs, queries
from service.store.database import Database
from service.store.spans import record_spans
from service.store.tables import Job, Worker
from service.work.dispatcher import Dispatcher, LockLost
from tests.process import until
from tests.store.rows import SPEC, at, claim_with, history, reread, span, submit

STALL_SECONDS = 60
NO_FOLDER = "/nonexistent"


@dataclass(eq=False)
class Task:
    """A task as the engine shows it."""

    keys: list[int]
    submission: str
    status: str = "pending"
    released: bool = False

    def done(self) -> bool:
        return self.status != "pending"

    def release(self) -> None:
        self.released = True

    def add_done_callback(self, call: Callable[["Task"], None]) -> None:
        self.call = call


@dataclass
class FakeEngine:
    """An engine that starts nothing: what a task did is written by the test."""

    tasks: list[Task] = field(default_factory=list)
    n_slots: int = 2
    restarted: list[str] = field(default_factory=list)
    looked_for_paused: int = 0
    out_of_memory: set[str] = field(default_factory=set)
    n_healed: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    assigned_to_workers: set[str] = field(default_factory=set)

    def submit(self, keys: list[int], submission: str) -> Task:
        self.tasks.append(Task(keys, submission))
        return self.tasks[-1]

    def slots(self) -> int:
        return self.n_slots

    def workers(self) -> list[str]:
        return ["tls://127.0.0.1:1", "tls://127.0.0.1:2"]

    def counted(self) -> dict[str, dict[str, int]]:
        return self.counts

    def assigned(self) -> set[str]:
        return self.assigned_to_workers

    def start_missing_workers(self) -> None:
        self.n_healed += 1

    def exceeded_memory(self, task: Task) -> bool:
        return task.submission in self.out_of_memory

    def restart_worker(self, submission: str) -> None:
        self.restarted.append(submission)

    def kill_paused_workers(self) -> None:
        self.looked_for_paused += 1


def submit_another_shape(database: Database, steps: int) -> Job:
    return submit(database, SPEC.model_copy(update={"steps": steps}))


def workers_of(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(Worker.name).order_by(Worker.name)))


def job_in_training(database: Database, dispatcher: Dispatcher, engine: FakeEngine) -> Job:
    """A job that was handed over and that its task has claimed."""
    job = submit(database)
    dispatcher.step()
    claim_with(database, job, engine.tasks[0].submission)
    return job


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def dispatcher(database: Database, engine: FakeEngine) -> Dispatcher:
    return Dispatcher(database, engine, STALL_SECONDS)


def test_what_the_workers_count_is_stored_as_it_grows(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    for steps in (0, 100, 2**40, 2**40):
        engine.counts = {"tls://127.0.0.1:1": {"training_steps": steps}}
        dispatcher.check_workers(0)

    with database.reading() as session:
        assert counters.read(session) == {"training_steps": 2**40}


def test_no_more_cohorts_than_slots_are_handed_over(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    first, second, _ = (submit_another_shape(database, steps) for steps in (1, 2, 3))

    dispatcher.step()
    dispatcher.step()

    assert [task.keys for task in engine.tasks] == [[first.key], [second.key]]


def test_jobs_of_one_shape_are_handed_over_together(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    first, second, third, *_ = (submit(database) for _ in range(5))

    dispatcher.step()

    assert [task.keys for task in engine.tasks] == [[first.key, second.key], [third.key]]


def test_the_task_that_was_handed_a_job_can_claim_it(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    job = submit(database)
    dispatcher.step()

    claimed = claim_with(database, job, engine.tasks[0].submission)

    assert claimed is not None


def test_a_task_that_ended_makes_room(database: Database, dispatcher: Dispatcher, engine: FakeEngine) -> None:
    jobs_ = [submit_another_shape(database, steps) for steps in (1, 2, 3)]
    dispatcher.step()
    claimed = claim_with(database, jobs_[0], engine.tasks[0].submission)
    assert claimed is not None
    with database.writing() as session:
        jobs.finish_if_running(session, jobs_[0].key, claimed.attempt, at(2), weights_sha256="w")
    engine.tasks[0].status = "finished"

    dispatcher.step()

    assert engine.tasks[0].released
    assert [task.keys for task in engine.tasks] == [[job.key] for job in jobs_]


def test_a_job_whose_worker_died_is_handed_over_again(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    job = job_in_training(database, dispatcher, engine)
    engine.tasks[0].status = "error"

    dispatcher.step()

    found = reread(database, job)
    assert (found.status, found.deaths_without_progress) == ("queued", 1)
    assert [task.keys for task in engine.tasks] == [[job.key], [job.key]]
    assert engine.tasks[0].submission != engine.tasks[1].submission


def test_a_death_after_a_span_is_not_counted(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    job = submit(database)
    dispatcher.step()
    claimed = claim_with(database, job, engine.tasks[0].submission)
    assert claimed is not None
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 5)], at(2))
    engine.tasks[0].status = "error"

    dispatcher.step()

    assert (reread(database, job).step, reread(database, job).deaths_without_progress) == (5, 0)


def test_an_innocent_job_that_never_started_is_not_blamed(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    job = submit(database)
    dispatcher.step()
    engine.tasks[0].status = "error"

    dispatcher.step()

    found = reread(database, job)
    assert (found.status, found.attempt, found.deaths_without_progress) == ("queued", 0, 0)
    assert [task.keys for task in engine.tasks] == [[job.key], [job.key]]


def test_a_task_that_was_given_up_cannot_claim_later(database: Database, engine: FakeEngine) -> None:
    """Nobody would take back what it claims: the engine has no task any more that could end."""
    engine.n_slots = 1
    dispatcher = Dispatcher(database, engine, STALL_SECONDS)
    job = submit(database)
    dispatcher.step()
    engine.tasks[0].status, engine.n_slots = "error", 0

    dispatcher.step()

    assert claim_with(database, job, engine.tasks[0].submission) is None
    assert reread(database, job).status == "queued"


def test_a_job_that_another_dispatcher_has_handed_over_is_not_taken_back(
    database: Database, engine: FakeEngine, dispatcher: Dispatcher
) -> None:
    """A dispatcher that has lost its lock may take one more step."""
    job = submit(database)
    dispatcher.step()
    successor = Dispatcher(database, engine, STALL_SECONDS)
    successor.recover()
    successor.step()
    theirs, ours = engine.tasks
    assert claim_with(database, job, ours.submission)

    theirs.status = "error"
    dispatcher._collect()

    assert reread(database, job).status == "running"


def test_after_a_death_the_jobs_of_a_cohort_are_alone_and_only_the_poison_fails(
    database: Database, engine: FakeEngine
) -> None:
    engine.n_slots = 1
    dispatcher = Dispatcher(database, engine, STALL_SECONDS)
    poison, healthy = submit(database), submit(database)
    submit(database)
    for _ in range(3):
        dispatcher.step()
        task = [task for task in engine.tasks if poison.key in task.keys][-1]
        [claim_with(database, job, task.submission) for job in (poison, healthy) if job.key in task.keys]
        task.status = "error"

    dispatcher.step()

    assert [task.keys for task in engine.tasks if poison.key in task.keys] == [
        [poison.key, healthy.key],
        [poison.key],
        [poison.key],
    ]
    assert (reread(database, poison).status, reread(database, poison).attempt) == ("failed", 3)
    assert (reread(database, healthy).status, reread(database, healthy).deaths_without_progress) == (
        "queued",
        1,
    )


def test_a_cancelled_job_stays_cancelled_when_its_task_ends(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    job = job_in_training(database, dispatcher, engine)
    with database.writing() as session:
        jobs.cancel_if_not_ended(session, job.id, at(2))
    engine.tasks[0].status = "finished"

    dispatcher.step()

    assert (reread(database, job).status, len(engine.tasks)) == ("cancelled", 1)


def test_a_new_dispatcher_takes_over_what_an_old_one_left(database: Database, engine: FakeEngine) -> None:
    job = submit(database)
    Dispatcher(database, engine, STALL_SECONDS).step()
    claim_with(database, job, engine.tasks[0].submission)

    successor = Dispatcher(database, engine, STALL_SECONDS)
    successor.recover()
    successor.step()

    with database.reading() as session:
        assert history(session, job)[-1] == ("queued", "the dispatcher started again")
    assert [task.keys for task in engine.tasks] == [[job.key], [job.key]]


def test_a_dispatcher_that_has_its_lock_again_keeps_what_it_has_in_flight(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    ours, theirs = submit(database), submit_another_shape(database, 7)
    dispatcher.step()
    claim_with(database, ours, engine.tasks[0].submission)
    with database.writing() as session:
        jobs.set_submission(session, [theirs.key], "another's")
    claim_with(database, theirs, "another's")

    dispatcher.recover()

    assert [reread(database, job).status for job in (ours, theirs)] == ["running", "queued"]


def test_a_dispatcher_without_its_lock_leaves_everything_to_the_next(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    submit(database)

    with pytest.raises(LockLost):
        dispatcher.run(threading.Event(), is_active=lambda: False)

    assert engine.tasks == []


def test_a_dispatcher_that_runs_tells_which_workers_there_are(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    stop = threading.Event()
    running = threading.Thread(target=dispatcher.run, args=(stop, lambda: True))

    running.start()
    until(lambda: workers_of(database), "workers to be stored")
    stop.set()
    running.join()

    assert workers_of(database) == engine.workers()


def test_draining_leaves_nothing_running(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    job = submit(database)
    dispatcher.step()
    claimed = claim_with(database, job, engine.tasks[0].submission)
    assert claimed is not None
    with database.writing() as session:
        jobs.requeue_if_running(session, job.key, claimed.attempt, "handed back to stop", at(2))

    dispatcher.drain(seconds=5)

    with database.reading() as session:
        assert list(queries.running(session)) == []


def test_draining_is_given_up_when_the_time_is_over(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    job = job_in_training(database, dispatcher, engine)

    dispatcher.drain(seconds=0.1)

    found = reread(database, job)
    assert (found.status, found.stop_requested) == ("running", True)


def test_a_worker_whose_jobs_do_not_move_is_ended(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    job_in_training(database, dispatcher, engine)

    for now in (0.0, 59.0):
        dispatcher.check_workers(now)
    patient = list(engine.restarted)
    dispatcher.check_workers(60.0)

    assert (patient, engine.restarted) == ([], [engine.tasks[0].submission])


@pytest.mark.parametrize("cancelled", [True, False], ids=["cancelled", "not claimed"])
def test_a_worker_that_keeps_a_task_without_a_job_is_ended(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine, cancelled: bool
) -> None:
    """One that hangs when its job is cancelled, or before it has claimed it, would keep its slot."""
    job = submit(database)
    dispatcher.step()
    engine.assigned_to_workers = {engine.tasks[0].submission}
    if cancelled:
        claim_with(database, job, engine.tasks[0].submission)
        with database.writing() as session:
            jobs.cancel_if_not_ended(session, job.id, at(2))

    for now in (0.0, 60.0):
        dispatcher.check_workers(now)

    assert engine.restarted == [engine.tasks[0].submission]


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_clock_that_is_set_makes_no_worker_look_as_if_it_hangs_or_as_if_it_did_not(
    dispatcher: Dispatcher,
    database: Database,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    hours: float,
) -> None:
    job_in_training(database, dispatcher, engine)
    dispatcher.check_workers(0.0)
    monkeypatch.setattr(clock, "now", lambda _session: at(3600 * hours))
    dispatcher.check_workers(30.0)
    patient = list(engine.restarted)

    dispatcher.check_workers(60.0)

    assert (patient, engine.restarted) == ([], [engine.tasks[0].submission])


def test_an_outage_of_the_database_makes_no_worker_look_as_if_it_hangs(
    dispatcher: Dispatcher, database: Database, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_in_training(database, dispatcher, engine)
    dispatcher.check_workers(0.0)
    with monkeypatch.context() as away, pytest.raises(DatabaseUnavailable):
        away.setattr(dispatcher, "database", Database(f"postgresql://nobody@/none?host={NO_FOLDER}"))
        dispatcher.check_workers(30.0)

    for now in (60.0, 119.0):
        dispatcher.check_workers(now)

    assert engine.restarted == []


def test_what_the_engine_has_given_up_is_started_anew_at_every_look(
    dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    for now in (0.0, 1.0):
        dispatcher.check_workers(now)

    assert engine.n_healed == 2


def test_a_task_that_waits_behind_another_ends_no_worker(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    submit(database)
    dispatcher.step()

    for now in (0.0, 60.0):
        dispatcher.check_workers(now)

    assert engine.restarted == []


def test_a_worker_whose_jobs_move_is_left_alone(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    job = submit(database)
    dispatcher.step()
    claimed = claim_with(database, job, engine.tasks[0].submission)
    assert claimed is not None
    dispatcher.check_workers(0.0)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 5)], at(2))

    for now in (59.0, 118.0):
        dispatcher.check_workers(now)

    assert engine.restarted == []


def test_paused_workers_are_ended_before_a_lost_job_is_queued_again(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    job = job_in_training(database, dispatcher, engine)
    engine.tasks[0].status = "error"

    dispatcher.step()

    with database.reading() as session:
        newest = history(session, job)[-1]
    assert (engine.looked_for_paused, newest) == (1, ("queued", "its worker was lost"))


def test_a_job_whose_worker_took_too_much_memory_says_so(
    database: Database, dispatcher: Dispatcher, engine: FakeEngine
) -> None:
    job = job_in_training(database, dispatcher, engine)
    engine.tasks[0].status = "error"
    engine.out_of_memory = {engine.tasks[0].submission}

    dispatcher.step()

    with database.reading() as session:
        assert history(session, job)[-1] == ("queued", "its worker was out of memory")


@pytest.mark.slow
def test_a_client_that_is_paused_within_a_copy_soon_holds_no_job(
    postgresql_database: Database, engine: FakeEngine
) -> None:
    """The server ends no such session itself: it waits for data, whatever its timeouts say."""
    dispatcher = Dispatcher(postgresql_database, engine, STALL_SECONDS)
    job = submit(postgresql_database)
    dispatcher.step()
    claim_with(postgresql_database, job, engine.tasks[0].submission)
    stop = threading.Event()
    running = threading.Thread(target=dispatcher.run, args=(stop, lambda: True))

    with pytest.raises(DatabaseUnavailable), postgresql_database.writing() as session:
        session.execute(update(Job).where(Job.key == job.key).values(step=5))
        cursor = session.connection().connection.cursor()
        with cursor.copy("COPY metrics (job_key, step) FROM STDIN"):
            engine.tasks[0].status = "lost"
            running.start()
            try:
                until(lambda: reread(postgresql_database, job).status == "queued", "the job to be queued")
            finally:
                stop.set()
                running.join()

    with postgresql_database.reading() as session:
        assert history(session, job)[-1] == ("queued", "its worker was lost")
    assert reread(postgresql_database, job).step == 0
