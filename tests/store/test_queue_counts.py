"""The counts for an operator: jobs by status, and what waits for whom since when."""

from sqlalchemy import update

from service.store import deletion, jobs, keys
from service.store.database import Database
from service.store.queue_counts import SINGLE, Backlog, backlogs, count_by_status
from service.store.tables import STATUSES, Job
from tests.store.rows import SPEC, at, claimed_job, finish, submit

NONE = dict.fromkeys(STATUSES, 0)


def own(database: Database, job: Job, owner: int) -> None:
    with database.writing() as session:
        session.execute(update(Job).where(Job.key == job.key).values(owner=owner))


def test_jobs_are_counted_by_status_without_those_that_are_deleted(database: Database) -> None:
    ended, deleted = submit(database), submit(database)
    for job in (ended, deleted):
        finish(database, job)
    submit(database)
    claimed_job(database)
    with database.writing() as session:
        deletion.delete_job(session, deleted.id, at(10))

    with database.reading() as session:
        assert count_by_status(session) == {**NONE, "queued": 1, "running": 1, "succeeded": 1}


def test_a_requeued_job_has_waited_since_then(database: Database) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        jobs.requeue_if_running(session, job.key, claimed.attempt, "handed back", at(7))

    with database.reading() as session:
        assert backlogs(session, 1, "other") == [Backlog(SINGLE, 1, at(7))]


def test_owners_with_few_jobs_are_one(database: Database) -> None:
    for owner, n_jobs in ((0, 3), (71, 2), (72, 1), (73, 1)):
        for _ in range(n_jobs):
            own(database, submit(database), owner)

    with database.reading() as session:
        found = backlogs(session, 2, "other")

    assert found == [Backlog(SINGLE, 3, at(0)), Backlog("71", 2, at(0)), Backlog("other", 2, at(0))]


def test_the_single_jobs_of_a_key_have_its_id(database: Database) -> None:
    with database.writing() as session:
        key, _ = keys.create(session, "laptop", ("train",), at(0), None)
        jobs.submit(session, SPEC, None, {}, at(0), key_number=key.key)

    with database.reading() as session:
        assert backlogs(session, 1, "other") == [Backlog(key.id, 1, at(0))]


def test_an_empty_queue_has_no_owners(database: Database) -> None:
    with database.reading() as session:
        assert (backlogs(session, 2, "other"), count_by_status(session)) == ([], NONE)
