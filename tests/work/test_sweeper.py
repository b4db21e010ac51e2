"""The sweeper beside the dispatcher: it waits out outages, and ends when asked."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import failpoints
from service.store.database import Database
from service.store.tables import Job
from service.work import sweeper
from tests.process import until
from tests.store.test_sweeping import deleted, rows


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    monkeypatch.setattr("service.work.sweeper.LOOK_SECONDS", 0.01)
    stop = threading.Event()
    yield stop
    stop.set()
    failpoints.arm("", Path())


def test_what_is_deleted_while_it_runs_is_swept(
    database: Database, stop: threading.Event, tmp_path: Path
) -> None:
    failpoints.arm("in-sweep=raise", tmp_path)  # the database is away at first

    thread = sweeper.start(database, stop)
    deleted(database)

    until(lambda: rows(database, Job) == [0], "the deleted job to be swept")
    assert (tmp_path / "in-sweep").exists()
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_an_error_of_any_kind_does_not_end_it(
    database: Database, stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def fail(*_: object) -> None:
        tried.append(1)
        raise ZeroDivisionError

    monkeypatch.setattr("service.work.sweeper.sweep_all", fail)

    thread = sweeper.start(database, stop)

    until(lambda: len(tried) > 2, "more than one try")
    stop.set()
    thread.join(10)
