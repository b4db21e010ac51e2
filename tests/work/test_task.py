"""The task on both databases: claim, train, store every span, end."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from models.data import originals
from models.data.digits import Digits, load
from models.specs import span_lengths
from models.specs.datasets import Dataset
from models.specs.spec import TrainSpec
from service import failpoints
from service.store import checkpoints, deletion, jobs, metrics
from service.store.database import Database
from service.store.failures import WORKER_LOST, describe_failure
from service.store.metrics import Window
from service.store.tables import Job, ResumeState
from service.work import task, worker
from service.work.plan import plan
from tests import mirror
from tests.process import until
from tests.runs import ENDLESS
from tests.store.rows import at, failure_of, latest_of, reread, submit

SHORT = TrainSpec(norm="batch", init=True, steps=60, eval_every=30, checkpoint_every=30)
LONG = SHORT.model_copy(update={"steps": 1000, "eval_every": 1000, "checkpoint_every": 1000})


def hand_over(database: Database, *submitted: Job, token: str = "token") -> list[jobs.ClaimedJob]:
    with database.writing() as session:
        jobs.set_submission(session, [job.key for job in submitted], token)
    return task.claim(database, [job.key for job in submitted], token)


def train(database: Database, digits: Digits, *submitted: Job) -> None:
    task.train_claimed(database, lambda _: digits, hand_over(database, *submitted))


def rows(database: Database, job: Job) -> list[tuple[int, float | None]]:
    with database.reading() as session:
        found = metrics.read(session, job.key, Window(), 10_000, ["step", "train_loss"])
    return [(step, loss) for step, loss, _ in found]


@pytest.mark.slow
def test_jobs_of_a_stack_store_the_time_on_the_wall_that_all_of_them_took(
    database: Database, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_lengths, "FIRST_SPAN_SECONDS", 1e9)
    monkeypatch.setattr(task, "time", SimpleNamespace(monotonic=count(step=2).__next__))
    stacked = [submit(database, SHORT.model_copy(update={"seed": seed})) for seed in range(3)]

    train(database, digits, *stacked)

    found = [reread(database, job) for job in stacked]
    assert [(job.step, job.resumed_step, job.attempt_seconds) for job in found] == [(60, 0, 2.0)] * 3


def test_a_job_is_trained_to_its_end(database: Database, digits: Digits) -> None:
    job = submit(database, SHORT)

    train(database, digits, job)

    found = reread(database, job)
    with database.reading() as session:
        kept = [checkpoint.step for checkpoint in checkpoints.list_of(session, found)]
        newest = checkpoints.get(session, found, "latest").sha256
    assert (found.status, found.step, found.attempt) == ("succeeded", 60, 1)
    assert [step for step, _ in rows(database, job)] == list(range(1, 61))
    assert (kept, found.weights_sha256) == ([60, 30], newest)
    assert found.data_sha256 == digits.sha256
    assert found.init_report is not None
    assert [layer["layer"] for layer in found.init_report] == ["hidden1", "output"]
    assert found.init_report[0]["z_after"]["sd"] == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_jobs_of_a_cohort_end_each_with_their_own_rows(database: Database, digits: Digits) -> None:
    first, second = submit(database, SHORT), submit(database, SHORT.model_copy(update={"seed": 1}))
    alone = submit(database, SHORT)

    train(database, digits, first, second)
    train(database, digits, alone)

    assert rows(database, first) == rows(database, alone)
    assert rows(database, second) != rows(database, alone)
    assert reread(database, first).weights_sha256 == reread(database, alone).weights_sha256


def test_jobs_that_end_alike_are_logged_in_one_line(sqlite: Database, digits: Digits) -> None:
    diverging = SHORT.model_copy(update={"norm": "weight", "learning_rate": 1e6})
    alike = diverging.model_copy(update={"learning_rate": 0.1})
    stack = hand_over(sqlite, *(submit(sqlite, spec) for spec in (alike, diverging, alike)))

    with capture_logs() as logs:
        task.train_claimed(sqlite, lambda _: digits, stack)

    first, second, third = (job.id for job in stack)
    assert [(line["event"], line["jobs"], line.get("outcome")) for line in logs] == [
        ("training", [first, second, third], None),
        ("training ended", [second], "diverged"),
        ("training ended", [first, third], "succeeded"),
    ]


def test_a_diverged_job_fails_and_keeps_its_history(database: Database, digits: Digits) -> None:
    job = submit(database, TrainSpec(norm="weight", init=True, learning_rate=1e6))

    train(database, digits, job)

    found = reread(database, job)
    step = found.step
    place = f"in step {step} in layer output, in the inputs times the weights"
    message = f"the train loss of step {step} is not finite; the first such number appeared {place}"
    assert found.failure == describe_failure("diverged", message, step, "output", "product")
    assert rows(database, job)[-1] == (step, None)
    assert latest_of(database, job)["non_finite"] == ["train_loss"]


def test_a_job_whose_last_net_is_not_finite_has_diverged(database: Database, digits: Digits) -> None:
    job = submit(database, TrainSpec(norm="weight", init=True, learning_rate=1e6, steps=4))

    train(database, digits, job)

    found, failure = reread(database, job), failure_of(database, job)
    assert (found.status, found.step, found.weights_sha256) == ("failed", 4, None)
    assert (failure["code"], failure["step"]) == ("diverged", 4)
    start = "the validation loss after step 4 is not finite; the first such number"
    assert failure["message"].startswith(start)
    assert latest_of(database, job)["non_finite"] == ["validation_loss", "test_loss"]
    with database.reading() as session:
        assert checkpoints.list_of(session, found) == []


Change = Callable[[Session], object]
TrainAndChange = Callable[[Database, Job, Change], None]


@pytest.fixture
def train_and_change(
    digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TrainAndChange]:
    """Train a job that is held after its first span until a change is made, and that has many spans."""
    monkeypatch.setattr(span_lengths, "LONGEST_SPAN_SECONDS", 0.05)
    failpoints.arm("after-span-commit=hold@1", tmp_path)
    gate, held = tmp_path / "after-span-commit.hold", tmp_path / f"after-span-commit.{os.getpid()}"

    def train_held(database: Database, job: Job, change: Change) -> None:
        def change_and_release() -> None:
            until(held.exists, "a span")
            with database.writing() as session:
                change(session)
            gate.unlink()

        gate.touch()
        thread = threading.Thread(target=change_and_release)
        thread.start()
        train(database, digits, job)
        thread.join()

    yield train_held
    failpoints.arm("", tmp_path)


@pytest.mark.slow
def test_a_job_asked_to_stop_is_handed_back_and_goes_on_without_a_gap(
    database: Database, digits: Digits, train_and_change: TrainAndChange
) -> None:
    job = submit(database, LONG)

    train_and_change(database, job, jobs.request_stop)
    stopped_at = reread(database, job).step
    assert (reread(database, job).status, 0 < stopped_at < LONG.steps) == ("queued", True)

    train(database, digits, job)

    undisturbed = submit(database, LONG)
    train(database, digits, undisturbed)
    assert rows(database, job) == rows(database, undisturbed)
    assert reread(database, job).weights_sha256 == reread(database, undisturbed).weights_sha256


def cancel(session: Session, job: Job) -> None:
    jobs.cancel_if_not_ended(session, job.id, at(9))


def cancel_and_delete(session: Session, job: Job) -> None:
    cancel(session, job)
    deletion.delete_job(session, job.id, at(9))


def take_away(session: Session, job: Job) -> None:
    jobs.requeue_lost(session, job.key, 1, 0, WORKER_LOST, at(9))


@pytest.mark.parametrize(
    ("change", "logged"),
    [
        (cancel, ("training cancelled", "info")),
        (cancel_and_delete, ("training cancelled", "info")),
        (take_away, ("training lost", "warning")),
    ],
    ids=["cancelled", "cancelled and deleted", "lost"],
)
def test_only_a_job_that_nobody_cancelled_is_lost_with_a_warning(
    database: Database,
    train_and_change: TrainAndChange,
    change: Callable[[Session, Job], None],
    logged: tuple[str, str],
) -> None:
    job = submit(database, LONG)

    with capture_logs() as logs:
        train_and_change(database, job, lambda session: change(session, job))

    assert [(line["event"], line["log_level"]) for line in logs if line["event"] != "training"] == [logged]


def test_a_job_cancelled_in_mid_training_keeps_the_rows_it_had(
    database: Database, train_and_change: TrainAndChange
) -> None:
    job = submit(database, LONG)

    train_and_change(database, job, lambda session: jobs.cancel_if_not_ended(session, job.id, at(9)))

    found = reread(database, job)
    assert (found.status, 0 < found.step < LONG.steps) == ("cancelled", True)
    assert [step for step, _ in rows(database, job)] == list(range(1, found.step + 1))


def test_a_cohort_trains_on_its_own_data_set(sqlite: Database, digits: Digits) -> None:
    found = {"mnist": digits, "kmnist": replace(digits, test=digits.validation, sha256="kmnist's")}
    ours, other = submit(sqlite, SHORT), submit(sqlite, SHORT.model_copy(update={"dataset": "kmnist"}))

    task.train_claimed(sqlite, found.__getitem__, hand_over(sqlite, ours))
    task.train_claimed(sqlite, found.__getitem__, hand_over(sqlite, other))

    assert [reread(sqlite, job).data_sha256 for job in (ours, other)] == [digits.sha256, "kmnist's"]
    latest = latest_of(sqlite, other)
    assert latest["test_accuracy"] == latest["validation_accuracy"]


def test_a_worker_keeps_two_data_sets(
    digits: Digits, mnist_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORMSERVE_DATA_DIR", str(tmp_path))
    (tmp_path / "datasets").symlink_to(mnist_cache)
    worker.digits.cache_clear()

    first, again = worker.digits("mnist"), worker.digits("mnist")

    kept = worker.digits.cache_info()
    worker.digits.cache_clear()
    assert (first is again, first.sha256, kept.maxsize) == (True, digits.sha256, 2)


@pytest.mark.slow
def test_a_job_whose_data_set_cannot_be_reached_fails_with_its_name(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.use(monkeypatch, "kmnist", mirror.closed())
    job = submit(sqlite, SHORT.model_copy(update={"dataset": "kmnist"}))

    task.train_claimed(sqlite, partial(load, cache_dir=tmp_path), hand_over(sqlite, job))

    assert reread(sqlite, job).failure == {
        "code": "dataset_unavailable",
        "message": "the data set kmnist is not on this machine; "
        "kmnist could not be downloaded from 127.0.0.1; "
        "check that the workers can reach it, then submit the job again",
        "step": None,
        "layer": None,
        "quantity": None,
    }


@pytest.mark.slow
def test_a_job_on_a_changed_file_fails_with_its_name(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendored = shutil.copytree(originals.VENDORED, tmp_path / "vendored")
    monkeypatch.setattr(originals, "VENDORED", vendored)
    path = vendored / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[5_000_000] ^= 1
    path.write_bytes(content)
    job = submit(sqlite, SHORT)

    task.train_claimed(sqlite, partial(load, cache_dir=tmp_path), hand_over(sqlite, job))

    failure = failure_of(sqlite, job)
    assert (failure["code"], "train-images-idx3-ubyte.gz" in failure["message"]) == (
        "dataset_unavailable",
        True,
    )


def raise_no_memory(_: Dataset) -> Digits:
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


def raise_bug(_: Dataset) -> Digits:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("failing", "code", "message"),
    [
        (raise_no_memory, "out_of_memory", "the run needs more memory than the worker has"),
        (raise_bug, "internal", "training raised ZeroDivisionError; the log has the traceback"),
    ],
    ids=["memory", "bug"],
)
def test_what_goes_wrong_fails_the_job_with_a_reason(
    sqlite: Database, failing: Any, code: str, message: str
) -> None:
    job = submit(sqlite, SHORT)

    task.train_claimed(sqlite, failing, hand_over(sqlite, job))

    assert reread(sqlite, job).failure == describe_failure(code, message)


@pytest.mark.slow
def test_what_goes_wrong_in_a_stack_fails_only_the_job_to_blame(sqlite: Database, digits: Digits) -> None:
    healthy, damaged = submit(sqlite, SHORT), submit(sqlite, SHORT.model_copy(update={"seed": 1}))
    stack = hand_over(sqlite, healthy, damaged)
    stack[1] = replace(stack[1], resume_state=b"of another net")

    task.train_claimed(sqlite, lambda _: digits, stack)

    found = [reread(sqlite, job) for job in (healthy, damaged)]
    assert [(job.status, job.status_reason) for job in found] == [
        ("queued", "training failed in a stack")
    ] * 2
    assert [len(cohort) for cohort in plan(found, slots=1, room=2)] == [1, 1]
    train(sqlite, digits, healthy)
    assert reread(sqlite, healthy).status == "succeeded"


def test_a_cancelled_job_does_not_wait_for_the_end_of_a_long_span(
    database: Database, train_and_change: TrainAndChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_lengths, "LONGEST_SPAN_OF_LARGE_STATE_SECONDS", 1e9)
    monkeypatch.setattr(span_lengths, "STORED_BYTES_PER_SECOND", 1e-9)  # the second span has no end
    job = submit(database, TrainSpec(**ENDLESS))

    train_and_change(database, job, lambda session: jobs.cancel_if_not_ended(session, job.id, at(9)))

    assert reread(database, job).status == "cancelled"


@pytest.mark.slow
def test_a_resume_state_of_another_spec_fails_the_job(
    sqlite: Database, digits: Digits, train_and_change: TrainAndChange
) -> None:
    job = submit(sqlite, LONG)
    train_and_change(sqlite, job, jobs.request_stop)
    with sqlite.writing() as session:
        stored = session.get_one(ResumeState, job.key)
        stored.state, stored.sha256 = b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    train(sqlite, digits, job)

    assert failure_of(sqlite, job)["code"] == "checkpoint_corrupt"
