"""The sweeper beside the dispatcher: it waits out outages, and ends when asked."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from service import failpoints
from service.store import clock
from service.store.database import Database
from service.store.tables import Job
from service.work import sweeper
from service.work.sweeper import RETENTION_SECONDS, Sweeper
from tests.process import until
from tests.store.rows import at
from tests.store.test_pruning import comparisons_of, end, ended_comparison, remaining
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


def set_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(clock, "now", lambda _session: at(seconds))


def dont_wait(_seconds: float) -> None:
    """Let a sweep go on at once."""


DAY = timedelta(days=1)


def test_a_job_is_deleted_once_it_is_as_old_as_the_retention(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, young = end(database, 10), end(database, 20)
    sweeping = Sweeper(database, DAY)
    left, logged = [], []

    for now, seconds in enumerate([5.0, 15.0, 15.0, 25.0]):
        set_clock(monkeypatch, DAY.total_seconds() + seconds)
        with capture_logs() as logs:
            sweeping.step(now * RETENTION_SECONDS, dont_wait)
        left.append(remaining(database))
        logged.append([(line["event"], line["jobs"], line["rows"]) for line in logs])

    assert left == [[old.key, young.key], [young.key], [young.key], []]
    assert logged == [[], [("old jobs deleted", 1, 10)], [], [("old jobs deleted", 1, 10)]]


def test_a_comparison_is_deleted_whole_once_all_its_jobs_are_old(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended_comparison(database, 8)
    half_old = ended_comparison(database, 10)
    set_clock(monkeypatch, DAY.total_seconds() + 11)

    Sweeper(database, DAY).step(0, dont_wait)

    assert (comparisons_of(database), len(remaining(database))) == ([half_old], 2)


def test_old_jobs_are_looked_for_at_a_bounded_pace(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    end(database, 10)
    sweeping = Sweeper(database, DAY)
    set_clock(monkeypatch, DAY.total_seconds())
    sweeping.step(0, dont_wait)
    set_clock(monkeypatch, DAY.total_seconds() + 20)

    sweeping.step(RETENTION_SECONDS - 1, dont_wait)
    assert len(remaining(database)) == 1
    sweeping.step(RETENTION_SECONDS, dont_wait)
    assert remaining(database) == []


def test_without_a_retention_old_jobs_stay(database: Database) -> None:
    end(database, 10)

    Sweeper(database).step(0, dont_wait)

    assert len(remaining(database)) == 1


def test_a_vacuum_rests_for_twenty_times_as_long_as_it_took(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "time", SimpleNamespace(monotonic=count(step=3).__next__))
    sweeping = Sweeper(sqlite)

    sweeping.step(100, dont_wait)

    assert sweeping.next_vacuum == 160
