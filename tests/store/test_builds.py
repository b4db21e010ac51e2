"""Attempts on unlike machines: they go on, and the job says so."""

import pytest

from service.store import jobs
from service.store.database import Database
from service.store.spans import record_spans
from service.store.tables import Job
from tests.store.rows import at, claimed_job, reread, span


def claim_on(database: Database, job: Job, torch_version: str, cpu_capability: str) -> list[str]:
    with database.writing() as session:
        jobs.set_submission(session, [job.key], "token")
        jobs.claim_if_queued(session, job.key, "token", torch_version, cpu_capability, at(5))
    warnings = reread(database, job).warnings
    assert warnings is not None
    return [warning["code"] for warning in warnings]


@pytest.mark.parametrize(
    ("build", "codes"),
    [
        (("2.13.0", "AVX2"), []),
        (("2.13.0", "AVX512"), ["other_build"]),
        (("2.14.0", "AVX2"), ["other_build"]),
    ],
    ids=str,
)
def test_an_attempt_on_another_build_goes_on_with_a_warning(
    database: Database, build: tuple[str, str], codes: list[str]
) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 5)], at(2))
        jobs.requeue_if_running(session, job.key, 1, "stopped", at(3))

    assert claim_on(database, job, *build) == codes
    assert reread(database, job).step == 5


def test_an_attempt_without_progress_leaves_no_warning(database: Database) -> None:
    job, _ = claimed_job(database)
    with database.writing() as session:
        jobs.requeue_if_running(session, job.key, 1, "stopped", at(3))

    assert claim_on(database, job, "2.14.0", "AVX512") == []


def test_a_warning_is_not_repeated(database: Database) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 5)], at(2))
    for attempt, capability in ((1, "AVX512"), (2, "AVX2")):
        with database.writing() as session:
            jobs.requeue_if_running(session, job.key, attempt, "stopped", at(3))
        codes = claim_on(database, job, "2.13.0", capability)

    assert codes == ["other_build"]
