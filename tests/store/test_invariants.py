"""Every rule holds of jobs that were really trained, and each kind of damage is named."""

import os
from pathlib import Path

import pytest
from sqlalchemy import text

from models.data.digits import Digits
from models.specs.spec import TrainSpec
from service.store import jobs
from service.store.database import Database
from service.store.invariants import MOST, RULES, check_invariants
from service.store.postgresql_engine import SILENCE_SECONDS, STATEMENT_SECONDS
from service.store.spans import record_spans
from service.store.sqlite_engine import sqlite_module
from service.store.tables import Job
from service.work import task
from tests.store.rows import at, claim, claimed_job, failure_of, reread, span, submit

SHORT = TrainSpec(norm="batch", init=True, steps=4, eval_every=2, checkpoint_every=2, telemetry=True)
DIVERGING = SHORT.model_copy(update={"norm": "weight", "learning_rate": 1e6, "steps": 200})


def train(database: Database, digits: Digits, job: Job) -> None:
    claimed = claim(database, job)
    assert claimed is not None
    task.train_claimed(database, lambda _: digits, [claimed])


WITHOUT_WEIGHTS = "has succeeded without a last checkpoint of its weights_sha256"


@pytest.fixture
def healthy(database: Database, digits: Digits) -> tuple[Job, Job]:
    """A job that has succeeded, and one that is running in its second attempt."""
    trained = submit(database, SHORT)
    train(database, digits, trained)
    begun, claimed = claimed_job(database)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 5, {5: 0.9})], at(2))
        jobs.requeue_if_running(session, begun.key, claimed.attempt, "its worker was lost", at(3))
    claim(database, begun, "second", 4)
    return trained, begun


def change(database: Database, *statements: str) -> None:
    with database.writing() as session:
        for statement in statements:
            session.execute(text(statement))


@pytest.mark.usefixtures("healthy")
def test_trained_jobs_of_every_state_break_no_rule(database: Database, digits: Digits) -> None:
    diverged, cancelled, failed = submit(database, DIVERGING), submit(database), submit(database)
    train(database, digits, diverged)
    submit(database)
    claimed = claim(database, failed)
    assert claimed is not None
    with database.writing() as session:
        jobs.cancel_if_not_ended(session, cancelled.id, at(2))
        jobs.finish_if_running(session, failed.key, claimed.attempt, at(2), failure={"code": "internal"})

    assert failure_of(database, diverged)["code"] == "diverged"
    assert check_invariants(database) == []


DAMAGE = [
    (
        "DELETE FROM job_transitions WHERE job_key = 1 AND number = 2",
        [
            "its transitions are not numbered from 1 without a gap",
            "went from queued to succeeded",
        ],
    ),
    (
        "DELETE FROM job_transitions WHERE job_key = 1",
        ["its transitions are not numbered from 1 without a gap"],
    ),
    (
        "INSERT INTO job_transitions VALUES (1, 4, 'succeeded', 'again', 1, '2026-11-23 09:00:00')",
        ["went from succeeded to succeeded"],
    ),
    (
        "INSERT INTO job_transitions VALUES (1, 4, 'running', 'again', 1, '2026-11-23 09:00:00')",
        ["went from succeeded to running", "is succeeded, its last transition running"],
    ),
    (
        "UPDATE job_transitions SET status = 'running' WHERE job_key = 1 AND number = 1",
        ["went from nothing to running", "went from running to running"],
    ),
    (
        "UPDATE job_transitions SET attempt = 0 WHERE job_key = 1 AND number = 3",
        ["its attempt falls from 1 to 0"],
    ),
    ("UPDATE jobs SET attempt = 7 WHERE key = 1", ["is in attempt 7, its transitions in 1"]),
    ("UPDATE jobs SET status = 'failed' WHERE key = 1", ["is failed, its last transition succeeded"]),
    (
        "DELETE FROM metrics WHERE job_key = 1 AND step = 2",
        ["is succeeded at step 4, its metrics are 3 rows of steps 1 to 4"],
    ),
    (
        "DELETE FROM metrics WHERE job_key = 1",
        ["is succeeded at step 4, its metrics are 0 rows of steps None to None"],
    ),
    (
        "UPDATE metrics SET step = 5 WHERE job_key = 1 AND step = 2",
        ["is succeeded at step 4, its metrics are 4 rows of steps 1 to 5"],
    ),
    (
        "UPDATE checkpoints SET step = 5 WHERE job_key = 1 AND step = 2",
        ["has a checkpoint of step 5, but is at step 4"],
    ),
    (
        "UPDATE telemetry SET step = 5 WHERE job_key = 1 AND step = 4",
        ["has telemetry of step 5, but is at step 4"],
    ),
    (
        "INSERT INTO resume_states SELECT 1, 4, state, sha256 FROM resume_states",
        ["has succeeded and still has a resume state"],
    ),
    ("UPDATE jobs SET finished_at = NULL WHERE key = 1", ["is succeeded, and finished_at is None"]),
    ("UPDATE jobs SET steps = 5 WHERE key = 1", ["has succeeded at step 4 of 5", WITHOUT_WEIGHTS]),
    ("UPDATE jobs SET weights_sha256 = 'other' WHERE key = 1", [WITHOUT_WEIGHTS]),
    ("UPDATE jobs SET weights_sha256 = NULL WHERE key = 1", [WITHOUT_WEIGHTS]),
    ("DELETE FROM checkpoints WHERE job_key = 1 AND step = 4", [WITHOUT_WEIGHTS]),
    (
        "UPDATE checkpoints SET weights = (SELECT state FROM resume_states) WHERE job_key = 1 AND step = 2",
        ["the bytes of the checkpoint of step 2 no longer match their sha256"],
    ),
]
DAMAGE_TO_A_RUNNING_JOB = [
    (
        "UPDATE resume_states SET step = 4",
        ["its resume state is of step 4, but it is at step 5"],
    ),
    ("DELETE FROM resume_states", ["is running at step 5 without a resume state"]),
    (
        "UPDATE resume_states SET state = (SELECT weights FROM checkpoints WHERE job_key = 2)",
        ["the bytes of the resume state of step 5 no longer match their sha256"],
    ),
    (
        "UPDATE jobs SET step = 6 WHERE key = 2",
        [
            "is running at step 6, its metrics are 5 rows of steps 1 to 5",
            "its resume state is of step 5, but it is at step 6",
        ],
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("statement", "sentences"), DAMAGE)
def test_damage_to_a_job_that_succeeded_is_named(
    database: Database, healthy: tuple[Job, Job], statement: str, sentences: list[str]
) -> None:
    change(database, statement)

    assert check_invariants(database) == [f"{healthy[0].id}: {sentence}" for sentence in sentences]


@pytest.mark.slow
@pytest.mark.parametrize(("statement", "sentences"), DAMAGE_TO_A_RUNNING_JOB)
def test_damage_to_a_running_job_is_named(
    database: Database, healthy: tuple[Job, Job], statement: str, sentences: list[str]
) -> None:
    change(database, statement)

    assert check_invariants(database) == [f"{healthy[1].id}: {sentence}" for sentence in sentences]


def test_jobs_have_the_weights_of_undisturbed_runs(database: Database, healthy: tuple[Job, Job]) -> None:
    trained, begun = healthy
    same = {trained.id: reread(database, trained).weights_sha256 or ""}

    assert check_invariants(database, same) == []
    assert check_invariants(database, {begun.id: "0" * 64, "job_gone": "0" * 64}) == [
        f"{begun.id}: its weights are not those of the undisturbed run",
        "job_gone: does not exist",
    ]


def test_only_the_first_violations_are_named(database: Database) -> None:
    for _ in range(MOST):
        submit(database)
    change(database, "UPDATE jobs SET step = 1, attempt = 1")

    assert len(check_invariants(database)) == MOST


def test_a_row_that_belongs_to_nothing_is_named(sqlite: Database) -> None:
    connection = sqlite_module().connect(sqlite.url.database)
    connection.execute("INSERT INTO telemetry VALUES (9, 1, '[]')")
    connection.commit()
    connection.close()

    assert check_invariants(sqlite) == ["a row of telemetry belongs to no row of jobs"]


def test_a_file_with_a_damaged_page_is_named(sqlite: Database) -> None:
    submit(sqlite)
    sqlite.close()
    with Path(sqlite.url.database or "").open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(b"\xff" * 4096)

    found = check_invariants(sqlite)

    assert found
    assert all(sentence.startswith("the file is damaged: ") for sentence in found)


@pytest.mark.slow
def test_a_check_may_take_longer_than_any_request(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(postgresql_database)
    slow = f"SELECT id FROM jobs, pg_sleep({SILENCE_SECONDS + 0.5})"  # noqa: S608
    monkeypatch.setitem(RULES, "{id}: was looked at for long", slow)

    assert check_invariants(postgresql_database) == [f"{job.id}: was looked at for long"]

    with postgresql_database.reading() as session:
        assert session.scalar(text("SHOW statement_timeout")) == f"{STATEMENT_SECONDS}s"
        connection = session.connection().connection.driver_connection
    assert getattr(connection, "silence_seconds", None) == SILENCE_SECONDS
