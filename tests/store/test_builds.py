"""Attempts on unlike machines: they go on, and the job says so where the bits may differ."""

import pytest

from service.store import jobs
from service.store.builds import Build
from service.store.database import Database
from service.store.spans import record_spans
from service.store.tables import Job
from tests.store.rows import BUILD, at, claimed_job, reread, span

OTHER_KERNELS = BUILD._replace(kernels_sha256="o" * 64)


def claim_on(database: Database, job: Job, build: Build) -> list[str]:
    with database.writing() as session:
        jobs.set_submission(session, [job.key], "token")
        jobs.claim_if_queued(session, job.key, "token", build, at(5))
    warnings = reread(database, job).warnings
    assert warnings is not None
    return [warning["code"] for warning in warnings]


@pytest.mark.parametrize(
    ("build", "codes"),
    [
        (BUILD, []),
        (OTHER_KERNELS, ["other_build"]),
        (Build("2.14.0", "AVX512", BUILD.kernels_sha256), []),
    ],
    ids=["same", "other kernels", "other names of the same kernels"],
)
def test_an_attempt_with_other_kernels_goes_on_with_a_warning(
    database: Database, build: Build, codes: list[str]
) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 5)], at(2))
        jobs.requeue_if_running(session, job.key, 1, "stopped", at(3))

    assert claim_on(database, job, build) == codes
    assert reread(database, job).step == 5


def test_an_attempt_without_progress_leaves_no_warning(database: Database) -> None:
    job, _ = claimed_job(database)
    with database.writing() as session:
        jobs.requeue_if_running(session, job.key, 1, "stopped", at(3))

    assert claim_on(database, job, OTHER_KERNELS) == []


def test_an_attempt_of_an_older_release_may_have_had_other_kernels(database: Database) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 5)], at(2))
        jobs.requeue_if_running(session, job.key, 1, "stopped", at(3))
        session.get_one(Job, job.key).kernels_sha256 = None

    assert claim_on(database, job, BUILD) == ["other_build"]


def test_a_warning_is_not_repeated(database: Database) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 5)], at(2))
    for attempt, build in ((1, OTHER_KERNELS), (2, BUILD)):
        with database.writing() as session:
            jobs.requeue_if_running(session, job.key, attempt, "stopped", at(3))
        codes = claim_on(database, job, build)

    assert codes == ["other_build"]
