"""The life of a job on both databases: every write guarded, every end final."""

from typing import Any

import pytest
from sqlalchemy import func, select

from service.errors import JobEnded, JobNotEnded, JobNotFound
from service.store import counters, deletion, jobs
from service.store.database import Database
from service.store.deletion import Deleted
from service.store.failures import OUT_OF_MEMORY, WORKER_LOST, Loss, describe_failure
from service.store.spans import record_spans
from service.store.tables import Checkpoint, Job, Metric, ResumeState
from tests.store.rows import (
    SPEC,
    at,
    claim,
    claim_with,
    claimed_job,
    failure_of,
    history,
    reread,
    span,
    submit,
)

DIVERGED = describe_failure("diverged", "the train loss of step 7 is not finite", 7, "output", "loss")


def test_a_submitted_job_is_queued_with_its_spec(database: Database) -> None:
    job = submit(database, label="first", purpose="test")

    found = reread(database, job)
    assert (found.status, found.attempt, found.step) == ("queued", 0, 0)
    assert (found.spec, found.label, found.tags) == (SPEC.model_dump(), "first", {"purpose": "test"})
    assert found.created_at == at(0)


@pytest.mark.parametrize(
    "public_id", ["job_" + "0" * 32, "nonsense", "", "job_\x00", "'; DROP TABLE jobs"], ids=repr
)
def test_an_id_that_is_none_is_not_found(database: Database, public_id: str) -> None:
    with database.reading() as session, pytest.raises(JobNotFound):
        jobs.get(session, public_id)


def test_a_claim_starts_an_attempt(database: Database) -> None:
    job, claimed = claimed_job(database)

    found = reread(database, job)
    assert (claimed.attempt, claimed.step, claimed.resume_state, claimed.spec) == (1, 0, None, SPEC)
    assert (found.status, found.started_at, found.torch_version) == ("running", at(1), "2.13.0")


@pytest.mark.parametrize("token", ["stale", ""])
def test_a_task_with_another_token_claims_nothing(database: Database, token: str) -> None:
    job = submit(database)
    with database.writing() as session:
        jobs.set_submission(session, [job.key], "newest")

    assert claim_with(database, job, token) is None
    assert reread(database, job).status == "queued"


def test_a_task_that_runs_twice_claims_once(database: Database) -> None:
    job, _ = claimed_job(database)

    assert claim_with(database, job, "token") is None
    assert reread(database, job).attempt == 1


def test_a_succeeded_job_keeps_its_weights_digest_and_no_resume_state(database: Database) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 10, {10: 0.9})], at(2))
        jobs.finish_if_running(session, job.key, claimed.attempt, at(2), weights_sha256="w" * 64)

    with database.reading() as session:
        states = session.scalar(select(func.count()).select_from(ResumeState))
        assert history(session, job) == [
            ("queued", "submitted"),
            ("running", "claimed"),
            ("succeeded", "finished"),
        ]
    found = reread(database, job)
    assert (found.status, found.finished_at, found.weights_sha256, states) == (
        "succeeded",
        at(2),
        "w" * 64,
        0,
    )


def test_a_failed_job_names_its_failure(database: Database) -> None:
    job, claimed = claimed_job(database)

    with database.writing() as session:
        jobs.finish_if_running(session, job.key, claimed.attempt, at(2), failure=DIVERGED)

    found = reread(database, job)
    assert (found.status, found.status_reason, found.failure) == ("failed", "diverged", DIVERGED)


def test_an_older_attempt_cannot_end_a_job(database: Database) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        jobs.requeue_if_running(session, job.key, claimed.attempt, "lost", at(2))
    claim(database, job, "second")

    with database.writing() as session:
        assert not jobs.finish_if_running(session, job.key, claimed.attempt, at(3), weights_sha256="w")

    assert (reread(database, job).status, reread(database, job).attempt) == ("running", 2)


def test_an_end_is_final(database: Database) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        jobs.finish_if_running(session, job.key, claimed.attempt, at(2), weights_sha256="w")

    with database.writing() as session:
        again = jobs.finish_if_running(session, job.key, claimed.attempt, at(3), failure=DIVERGED)
        requeued = jobs.requeue_if_running(session, job.key, claimed.attempt, "lost", at(3))

    assert (again, requeued, claim(database, job, "late")) == (False, False, None)
    assert reread(database, job).status == "succeeded"


@pytest.mark.parametrize("requeued", [True, False], ids=["queued again", "running"])
def test_a_cancelled_job_stores_no_further_steps(database: Database, requeued: bool) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        if requeued:
            jobs.requeue_if_running(session, job.key, claimed.attempt, "lost", at(2))
        cancelled = jobs.cancel_if_not_ended(session, job.id, at(2))
        assert cancelled.status == "cancelled"

    with database.writing() as session:
        recorded = record_spans(session, [span(claimed, 1, 5)], at(3))

    with database.reading() as session:
        rows = session.scalar(select(func.count()).select_from(Metric))
    assert (recorded.lost, rows) == ({job.key}, 0)


def test_cancelling_twice_is_one_cancellation(database: Database) -> None:
    job = submit(database)
    for seconds in (1, 2):
        with database.writing() as session:
            jobs.cancel_if_not_ended(session, job.id, at(seconds))

    with database.reading() as session:
        assert history(session, job) == [("queued", "submitted"), ("cancelled", "asked for")]
    assert reread(database, job).finished_at == at(1)


def test_a_job_that_succeeded_cannot_be_cancelled(database: Database) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        jobs.finish_if_running(session, job.key, claimed.attempt, at(2), weights_sha256="w")

    with database.writing() as session, pytest.raises(JobEnded, match="succeeded"):
        jobs.cancel_if_not_ended(session, job.id, at(3))


def lose(database: Database, job: Job, token: str, loss: Loss = WORKER_LOST) -> None:
    claimed = claim(database, job, token)
    assert claimed is not None
    with database.writing() as session:
        jobs.requeue_lost(session, job.key, claimed.attempt, claimed.step, loss, at(2))


def test_a_job_whose_workers_die_three_times_without_a_step_fails(database: Database) -> None:
    job = submit(database)
    for token in ("first", "second"):
        lose(database, job, token)
    assert reread(database, job).status == "queued"

    lose(database, job, "third")

    found = reread(database, job)
    assert (found.status, failure_of(database, job)["code"], found.attempt) == ("failed", "worker_lost", 3)


def test_a_job_that_fails_with_its_worker_out_of_memory_says_so(database: Database) -> None:
    job = submit(database)
    for token in ("first", "second"):
        lose(database, job, token)

    lose(database, job, "third", OUT_OF_MEMORY)

    with database.reading() as session:
        assert history(session, job)[-1] == ("failed", "out_of_memory")
    assert reread(database, job).failure == {
        "code": "out_of_memory",
        "message": "3 workers in a row died with this job before it stored a step",
        "step": 0,
        "layer": None,
        "quantity": None,
    }


def test_a_span_forgives_the_deaths_before_it(database: Database) -> None:
    job = submit(database)
    for token in ("first", "second"):
        lose(database, job, token)
    claimed = claim(database, job, "third")
    assert claimed is not None

    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 5)], at(3))
        jobs.requeue_lost(session, job.key, claimed.attempt, 0, WORKER_LOST, at(4))

    found = reread(database, job)
    assert (found.status, found.deaths_without_progress, found.step) == ("queued", 0, 5)


def test_a_job_taken_up_again_gets_its_resume_state(database: Database) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 5)], at(2))
        jobs.requeue_if_running(session, job.key, claimed.attempt, "handed back to stop", at(3))

    again = claim(database, job, "second")

    assert again is not None
    assert (again.attempt, again.step, again.resume_state) == (2, 5, b"state after 5")


def damage(stored: ResumeState) -> None:
    stored.state = b"damaged"


def truncate(stored: ResumeState) -> None:
    stored.step -= 1


@pytest.mark.slow
@pytest.mark.parametrize("harm", [damage, truncate])
def test_a_damaged_resume_state_starts_the_job_again(database: Database, harm: Any) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 5, {5: 0.9})], at(2))
        jobs.requeue_if_running(session, job.key, claimed.attempt, "lost", at(3))
        harm(session.get_one(ResumeState, job.key))

    again = claim(database, job, "second")

    assert again is not None
    assert (again.step, again.resume_state) == (0, None)
    with database.reading() as session:
        left = [session.scalar(select(func.count()).select_from(table)) for table in (Metric, Checkpoint)]
        assert (left, counters.read(session)) == ([0, 0], {"damaged_resume_states": 1})
    assert (reread(database, job).step, reread(database, job).latest) == (0, None)


def test_a_spec_that_is_not_known_any_more_fails_its_job(database: Database) -> None:
    job = submit(database)
    with database.writing() as session:
        session.get_one(Job, job.key).spec = {**job.spec, "norm": "spectral"}

    assert claim(database, job) is None
    assert (reread(database, job).status, failure_of(database, job)["code"]) == ("failed", "internal")


def test_a_stop_asks_running_attempts_and_disarms_waiting_tasks(database: Database) -> None:
    waiting = submit(database)
    _, claimed = claimed_job(database)
    with database.writing() as session:
        jobs.set_submission(session, [waiting.key], "waiting")

    with database.writing() as session:
        jobs.request_stop(session)
    with database.writing() as session:
        recorded = record_spans(session, [span(claimed, 1, 5)], at(2))

    assert recorded.stopping == {claimed.key}
    assert claim_with(database, waiting, "waiting") is None


def test_labels_and_tags_can_change(database: Database) -> None:
    job = submit(database, label="old", a="1")

    with database.writing() as session:
        jobs.relabel(session, job.id, {"label": None, "tags": {"b": "2"}})

    found = reread(database, job)
    assert (found.label, found.tags, found.revision) == (None, {"b": "2"}, job.revision + 1)


def test_only_an_ended_job_can_be_deleted(database: Database) -> None:
    job = submit(database)

    with database.writing() as session, pytest.raises(JobNotEnded, match="queued"):
        deletion.delete_job(session, job.id, at(20))


def test_a_deletion_returns_the_rows_and_the_bytes_that_it_frees(database: Database) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 5, {5: 0.9})], at(2))
        jobs.cancel_if_not_ended(session, job.id, at(3))

    with database.writing() as session:
        deleted = deletion.delete_job(session, job.id, at(20))

    assert deleted == Deleted(job.id, rows=5, size_bytes=len(b"weights of 5"))
    with database.reading() as session, pytest.raises(JobNotFound):
        jobs.get(session, job.id)
