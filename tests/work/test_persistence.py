"""What a task stores waits for its database, and says so."""

import threading
from typing import Any

import pytest
from sqlalchemy.orm import Session

from service.errors import DatabaseUnavailable, StorageFull
from service.store import jobs
from service.store.database import Database
from service.store.tables import Job
from service.work import persistence, retries
from service.work.persistence import heartbeats, persist
from tests.process import until
from tests.store.rows import SPEC, T0, claimed_job, ids_of, reread


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "LONGEST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(persistence, "HEARTBEAT_SECONDS", 0.01)


def test_a_database_that_comes_back_gets_the_whole_transaction_once(database: Database) -> None:
    away = [DatabaseUnavailable("away"), DatabaseUnavailable("away")]

    def store(session: Any) -> Job:
        job = jobs.submit(session, SPEC, None, {}, T0)
        if away:
            raise away.pop()
        return job

    job = persist(database, store, "test")

    assert (ids_of(database), away) == ({job.id}, [])


@pytest.mark.parametrize(("later_attempts", "shown"), [(0, True), (1, False)], ids=["its own", "another's"])
def test_an_attempt_that_waits_for_room_sends_heartbeats(
    database: Database, later_attempts: int, shown: bool
) -> None:
    job, claimed = claimed_job(database)
    failures = [StorageFull("full")]

    def store(_: Session) -> None:
        if failures:
            raise failures.pop()

    persist(database, store, "test", {job.key: claimed.attempt - later_attempts})

    assert (reread(database, job).moved_at is not None) == shown


def test_an_attempt_whose_data_set_comes_slowly_sends_heartbeats(database: Database) -> None:
    job, claimed = claimed_job(database)

    with heartbeats(database, {job.key: claimed.attempt}):
        shown = until(lambda: reread(database, job).moved_at, "a heartbeat")

    assert shown > T0


def test_a_data_set_that_does_not_come_at_all_is_not_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(persistence, "LONGEST_LOAD_SECONDS", 0.05)
    job, claimed = claimed_job(database)

    with heartbeats(database, {job.key: claimed.attempt}):
        until(lambda: senders() == [], "the last heartbeat")
        last_shown = reread(database, job).moved_at

    assert last_shown is not None
    assert reread(database, job).moved_at == last_shown


def senders() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "heartbeats"]
