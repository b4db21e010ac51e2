"""Announcements: heard once committed, and on PostgreSQL again after the connection was cut."""

import threading

import pytest
from sqlalchemy import text

from service.store import jobs
from service.store.announcements import listen
from service.store.database import Database
from tests.process import until
from tests.store.rows import SPEC, at, claimed_job, submit


def listening(database: Database) -> threading.Event:
    """An event that is set by announcements; waits until there is someone to hear them."""
    woken = threading.Event()
    listen(database, woken.set)

    def heard() -> bool:
        if not database.is_sqlite:  # there the first look wakes
            with database.writing() as session:
                session.execute(text("NOTIFY normserve_jobs"))
        return woken.wait(0.1)

    until(heard, "the listener")
    woken.clear()
    return woken


def test_a_submitted_job_is_announced(database: Database) -> None:
    woken = listening(database)

    submit(database)

    assert woken.wait(20)


def test_a_job_is_announced_only_once_it_is_committed(database: Database) -> None:
    woken = listening(database)

    with database.writing() as session:
        jobs.submit(session, SPEC, None, {}, at(0))
        session.flush()
        early = woken.wait(0.3)

    assert (early, woken.wait(20)) == (False, True)


def test_a_job_that_is_handed_back_is_announced(database: Database) -> None:
    job, _ = claimed_job(database)
    woken = listening(database)

    with database.writing() as session:
        jobs.requeue_if_running(session, job.key, 1, "handed back", at(2))

    assert woken.wait(20)


@pytest.mark.slow
def test_a_listener_whose_connection_is_cut_listens_again(postgresql_database: Database) -> None:
    woken = listening(postgresql_database)

    with postgresql_database.writing() as session:
        cut = session.scalar(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )
        )

    assert cut == 1
    until(lambda: submit(postgresql_database) and woken.wait(0.1), "an announcement")
