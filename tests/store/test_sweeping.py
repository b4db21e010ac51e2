"""What is marked as deleted goes in transactions of bounded size, in order, whatever interrupts it."""

import multiprocessing
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import event, func, select, text

from models.specs.comparison import Arm, ComparisonSpec
from service import failpoints
from service.errors import DatabaseUnavailable
from service.store import comparisons, deletion, jobs
from service.store.database import Database
from service.store.invariants import check_invariants
from service.store.marks import WITH_MARKED
from service.store.spans import record_spans
from service.store.sweeping import sweep, sweep_all
from service.store.tables import Checkpoint, Comparison, Job, Metric
from tests.store.rows import SPEC, at, claim, span, submit
from tests.store.test_pruning import BELONGS_TO_JOBS, WEIGHTS_BYTES, end


@pytest.fixture(autouse=True)
def _disarm() -> Iterator[None]:
    yield
    failpoints.arm("", Path())


def deleted(database: Database) -> Job:
    """A deleted job of ten metric rows and two checkpoints."""
    job = end(database, 10)
    with database.writing() as session:
        deletion.delete_job(session, job.id, at(20))
    return job


def deleted_comparison(database: Database) -> None:
    spec = ComparisonSpec(arms=[Arm(name="none")], seeds=[0, 1])
    with database.writing() as session:
        comparison = comparisons.create(session, spec, None, at(0))
        comparisons.cancel(session, comparison, at(1))
        deletion.delete_comparison(session, comparison, at(2))


def keys(database: Database) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(select(Job.key).order_by(Job.key), execution_options=WITH_MARKED))


def rows(database: Database, *tables: Any) -> list[int]:
    with database.reading() as session:
        counted = (select(func.count()).select_from(table) for table in tables)
        return [session.scalar(query, execution_options=WITH_MARKED) or 0 for query in counted]


def left_after_each(database: Database, *tables: Any) -> list[list[int]]:
    """Sweep to the end; return the rows of these tables after each transaction."""
    found: list[list[int]] = []
    sweep_all(database, lambda _: found.append(rows(database, *tables)))
    return found


def test_a_deleted_job_takes_everything_with_it(database: Database) -> None:
    deleted(database)

    sweep_all(database, lambda _: None)

    assert rows(database, Job, *BELONGS_TO_JOBS) == [0] * (1 + len(BELONGS_TO_JOBS))


@pytest.mark.parametrize(
    ("bound", "most", "jobs_left"),
    [
        ("MOST_JOBS", 2, [3, 1, 0]),
        ("MOST_ROWS", 25, [3, 1, 0]),
        ("MOST_ROWS", 10, [4, 3, 2, 1, 0]),
        ("MOST_WEIGHTS_BYTES", 2 * WEIGHTS_BYTES, [3, 1, 0]),
    ],
)
def test_a_transaction_deletes_a_bounded_number_of_jobs_the_oldest_first(
    database: Database, monkeypatch: pytest.MonkeyPatch, bound: str, most: int, jobs_left: list[int]
) -> None:
    monkeypatch.setattr(f"service.store.sweeping.{bound}", most)
    marked = [deleted(database).key for _ in range(5)]
    left: list[list[int]] = []

    sweep_all(database, lambda _: left.append(keys(database)))

    assert left == [marked[5 - number :] for number in jobs_left]


def test_a_job_of_many_rows_goes_by_its_steps_from_the_last(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.sweeping.MOST_ROWS", 4)
    deleted(database)

    assert left_after_each(database, Metric, Job) == [[6, 1], [2, 1], [0, 0]]


def test_telemetry_counts_as_several_rows(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.store.sweeping.MOST_ROWS", 15)
    job = submit(database, SPEC.model_copy(update={"telemetry": True}))  # evaluated every five steps
    claimed = claim(database, job)
    assert claimed is not None
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 10, telemetry=[(5, [{}]), (10, [{}])])], at(2))
        jobs.cancel_if_not_ended(session, job.id, at(3))
        deletion.delete_job(session, job.id, at(4))

    assert left_after_each(database, Metric, Job) == [[5, 1], [0, 0]]


def test_the_weights_of_a_job_go_one_by_one_where_they_are_many(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.sweeping.MOST_WEIGHTS_BYTES", len(b"weights of 5"))
    deleted(database)

    assert left_after_each(database, Checkpoint, Metric) == [[1, 10], [0, 0]]


def test_a_comparison_goes_after_its_jobs(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.store.sweeping.MOST_JOBS", 1)
    deleted_comparison(database)

    assert left_after_each(database, Job, Comparison) == [[1, 1], [0, 1], [0, 0]]


@pytest.mark.slow
def test_others_get_as_much_time_to_write_as_a_transaction_took(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.sweeping.MOST_JOBS", 1)
    [deleted(database) for _ in range(2)]
    left: list[float] = []
    monkeypatch.setattr("service.store.sweeping.time", SimpleNamespace(monotonic=count(step=7).__next__))

    sweep_all(database, left.append)

    assert left == [7, 7]


def test_nothing_is_written_where_nothing_is_marked(database: Database) -> None:
    end(database, 10)
    said: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: said.append(call[2].split()[0]))

    assert sweep(database) is False
    assert set(said) <= {"BEGIN", "SELECT"}
    assert "BEGIN IMMEDIATE" not in said


def test_two_who_sweep_take_different_jobs(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.sweeping.MOST_JOBS", 1)
    first, second = deleted(postgresql_database).key, deleted(postgresql_database).key

    with postgresql_database.reading() as other:
        other.execute(text("SELECT key FROM jobs WHERE key = :key FOR UPDATE"), {"key": first})
        assert sweep(postgresql_database) is True

    assert keys(postgresql_database) == [first]
    assert second not in keys(postgresql_database)


def test_what_is_half_swept_breaks_no_rule(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.store.sweeping.MOST_ROWS", 4)
    deleted(database)
    end(database, 10)
    sweep(database)

    assert (rows(database, Metric), check_invariants(database)) == ([16], [])


def sweep_with(url: str, folder: Path) -> None:
    """Sweep with bounds of a few rows, and die in the second transaction."""
    pytest.MonkeyPatch().setattr("service.store.sweeping.MOST_ROWS", 4)
    failpoints.arm("in-sweep=kill@2", folder)
    sweep_all(Database(url), lambda _: None)


def test_a_sweep_that_is_killed_is_gone_on_with(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    deleted(database)
    context = multiprocessing.get_context("spawn")
    victim = context.Process(target=sweep_with, args=(database_url, tmp_path))
    victim.start()
    victim.join()
    assert (victim.exitcode, rows(database, Metric)) == (-signal.SIGKILL, [6])

    sweep_all(database, lambda _: None)

    assert rows(database, Job, *BELONGS_TO_JOBS) == [0] * (1 + len(BELONGS_TO_JOBS))


def test_a_transaction_that_fails_is_made_again(database: Database, tmp_path: Path) -> None:
    deleted(database)
    failpoints.arm("in-sweep=raise", tmp_path)
    with pytest.raises(DatabaseUnavailable):
        sweep(database)
    assert rows(database, Job, Metric) == [1, 10]

    assert sweep(database) is True
    assert rows(database, Job, Metric) == [0, 0]
