"""The room of replaced rows: PostgreSQL uses it again, or gives it back, within seconds."""

import os

import pytest
from sqlalchemy import text

from models.specs.spec import TrainSpec
from service.store import jobs
from service.store.database import Database
from service.store.jobs import ClaimedJob
from service.store.spans import record_spans
from service.store.vacuum import vacuum
from service.work.sweeper import Sweeper
from tests.process import until
from tests.store.rows import at, claimed_job, span

STATE_BYTES = 200_000
SPEC = TrainSpec(steps=100)


def store_spans(database: Database, claimed: list[ClaimedJob], *last_steps: int) -> None:
    """Store a span of one step for each of these steps; each replaces the resume states."""
    for step in last_steps:
        with database.writing() as session:
            made = [span(each, step, step, resume_state=os.urandom(STATE_BYTES)) for each in claimed]
            record_spans(session, made, at(2))


def bytes_of(database: Database, table: str) -> int:
    with database.reading() as session:
        return int(session.scalar(text(f"SELECT pg_total_relation_size('{table}')")) or 0)


@pytest.fixture
def claimed(postgresql_database: Database) -> list[ClaimedJob]:
    return [claimed_job(postgresql_database, SPEC)[1] for _ in range(10)]


def test_the_room_of_replaced_resume_states_is_used_again(
    postgresql_database: Database, claimed: list[ClaimedJob]
) -> None:
    store_spans(postgresql_database, claimed, *range(1, 6))
    until(lambda: vacuum(postgresql_database) == ["resume_states"], "the vacuum")
    before = bytes_of(postgresql_database, "resume_states")

    store_spans(postgresql_database, claimed, 6, 7)

    assert bytes_of(postgresql_database, "resume_states") - before < STATE_BYTES  # and twenty were written


def test_jobs_that_have_ended_leave_no_room_of_their_resume_states(
    postgresql_database: Database, claimed: list[ClaimedJob]
) -> None:
    store_spans(postgresql_database, claimed, *range(1, 6))
    with postgresql_database.writing() as session:
        for each in claimed:
            jobs.finish_if_running(session, each.key, each.attempt, at(3), failure={"code": "internal"})

    def swept() -> bool:
        Sweeper(postgresql_database).step(0, lambda _seconds: None)
        return bytes_of(postgresql_database, "resume_states") < STATE_BYTES

    until(swept, "the room of 50 resume states")


def test_nothing_is_vacuumed_that_has_no_dead_rows(
    postgresql_database: Database, claimed: list[ClaimedJob]
) -> None:
    store_spans(postgresql_database, claimed, 1)

    assert vacuum(postgresql_database) == []


def test_sqlite_needs_no_vacuum(sqlite: Database) -> None:
    assert vacuum(sqlite) == []
