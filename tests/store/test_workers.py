"""Workers on both databases: those seen last, until they are not seen any more."""

from sqlalchemy import select

from service.store.database import Database
from service.store.tables import Worker
from service.store.workers import present, record_workers
from tests.store.rows import at


def record(database: Database, seconds: float, *names: str) -> None:
    with database.writing() as session:
        record_workers(session, names, at(seconds))


def count(database: Database, seconds: float) -> int:
    with database.reading() as session:
        return present(session, at(seconds))


def test_without_a_dispatcher_there_are_no_workers(database: Database) -> None:
    assert count(database, 0) == 0


def test_the_workers_seen_last_replace_those_before(database: Database) -> None:
    record(database, 0, "first", "second")
    record(database, 2, "second", "third")

    with database.reading() as session:
        query = select(Worker.name, Worker.started_at, Worker.seen_at).order_by(Worker.name)
        found = [tuple(row) for row in session.execute(query)]
    assert found == [("second", at(0), at(2)), ("third", at(2), at(2))]


def test_a_dispatcher_without_workers_leaves_none(database: Database) -> None:
    record(database, 0, "first")
    record(database, 2)

    assert count(database, 2) == 0


def test_workers_are_present_for_ten_seconds_after_they_were_seen(database: Database) -> None:
    record(database, 0, "first", "second")

    assert (count(database, 9.9), count(database, 10)) == (2, 0)


def test_workers_of_a_dead_dispatcher_are_gone_when_the_clock_was_set_back(database: Database) -> None:
    record(database, 3600, "first")

    assert count(database, 0) == 0
