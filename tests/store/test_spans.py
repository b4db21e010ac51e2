"""Spans on both databases: whole, fenced, in order, exactly once."""

import math
from itertools import pairwise

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from models.specs.metrics import MetricRow
from service.store import checkpoints, counters, jobs, metrics
from service.store.database import Database
from service.store.metrics import Window
from service.store.spans import record_spans
from service.store.tables import Job, Metric, ResumeState
from tests.store.rows import IDENTITY, SPEC, at, claim, claimed_job, latest_of, metric, reread, span


def steps(database: Database, key: int) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(select(Metric.step).where(Metric.job_key == key).order_by(Metric.step)))


def test_a_span_stores_its_rows_and_moves_the_job(database: Database) -> None:
    job, claimed = claimed_job(database)

    with database.writing() as session:
        recorded = record_spans(session, [span(claimed, 1, 5, {5: 0.9})], at(2))

    found = reread(database, job)
    assert recorded == (set(), set())
    assert steps(database, job.key) == [1, 2, 3, 4, 5]
    assert (found.step, found.moved_at, found.test_accuracy) == (5, at(2), 0.9)
    assert found.latest == {**metric(5, 0.9)._asdict(), "non_finite": []}
    assert {name: getattr(found, name) for name in IDENTITY} == IDENTITY


def test_each_span_replaces_the_resume_state(database: Database) -> None:
    job, claimed = claimed_job(database)
    for first in (1, 6):
        with database.writing() as session:
            record_spans(session, [span(claimed, first, first + 4)], at(2))

    with database.reading() as session:
        stored = session.get_one(ResumeState, job.key)
    assert (stored.step, stored.state) == (10, b"state after 10")


def test_an_attempt_keeps_where_it_began_and_how_long_it_has_trained(database: Database) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 5, attempt_seconds=2.5)], at(2))
        jobs.requeue_if_running(session, job.key, claimed.attempt, "handed back", at(3))
    first = reread(database, job)

    successor = claim(database, job, "second")

    begun = reread(database, job)
    assert (first.resumed_step, first.attempt_seconds) == (0, 2.5)
    assert successor is not None
    assert (begun.resumed_step, begun.attempt_seconds) == (5, None)


def test_a_stale_attempt_writes_nothing_and_is_counted(database: Database) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        jobs.requeue_if_running(session, job.key, claimed.attempt, "lost", at(2))
    successor = claim(database, job, "second")
    assert successor is not None

    with database.writing() as session:
        recorded = record_spans(session, [span(claimed, 1, 5)], at(3))

    with database.reading() as session:
        assert counters.read(session) == {"fenced_writes": 1}
    assert (recorded.lost, steps(database, job.key)) == ({job.key}, [])


def test_a_lost_job_does_not_keep_its_neighbours_from_being_stored(database: Database) -> None:
    lost, claimed_lost = claimed_job(database)
    kept, claimed_kept = claimed_job(database)
    with database.writing() as session:
        jobs.cancel_if_not_ended(session, lost.id, at(2))

    with database.writing() as session:
        recorded = record_spans(session, [span(claimed_kept, 1, 5), span(claimed_lost, 1, 5)], at(3))

    assert recorded.lost == {lost.key}
    assert (steps(database, lost.key), steps(database, kept.key)) == ([], [1, 2, 3, 4, 5])


def test_a_span_whose_commit_was_not_answered_is_stored_once(database: Database) -> None:
    job, claimed = claimed_job(database)
    for seconds in (2, 3):
        with database.writing() as session:
            recorded = record_spans(session, [span(claimed, 1, 5)], at(seconds))
            assert recorded.lost == set()

    assert steps(database, job.key) == [1, 2, 3, 4, 5]
    assert reread(database, job).moved_at == at(2)


def test_a_gap_in_the_steps_is_refused(database: Database) -> None:
    job, claimed = claimed_job(database)

    with database.writing() as session:
        recorded = record_spans(session, [span(claimed, 3, 5)], at(2))

    assert (recorded.lost, steps(database, job.key)) == ({job.key}, [])


def test_a_row_that_exists_is_an_error_and_nothing_of_the_span_is_stored(database: Database) -> None:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        session.add(Metric(job_key=job.key, step=3, elapsed_seconds=0))

    with pytest.raises(IntegrityError), database.writing() as session:
        record_spans(session, [span(claimed, 1, 5)], at(2))

    assert (steps(database, job.key), reread(database, job).step) == ([3], 0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
def test_a_figure_that_is_not_finite_is_null_and_named(database: Database, value: float) -> None:
    job, claimed = claimed_job(database)
    bad = MetricRow(1, value, 0.1, None, None, value, None, 0.5)

    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 1, rows=[bad])], at(2))

    with database.reading() as session:
        stored = metrics.read(session, job.key, Window(), 10, ["test_loss", "train_loss"])
    names = ["train_loss", "test_loss"]
    assert stored == [(None, None, " ".join(names))]
    assert latest_of(database, job)["non_finite"] == names


def test_figures_are_kept_exactly(database: Database) -> None:
    job, claimed = claimed_job(database)
    exact = MetricRow(1, 0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, 2.0**-60, 0.1, 1e-9)

    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 1, rows=[exact])], at(2))

    with database.reading() as session:
        stored = metrics.read(session, job.key, Window(), 10)
    assert stored == [(*exact, None)]


def kept_of(database: Database, job: Job) -> list[int]:
    with database.reading() as session:
        return [checkpoint.step for checkpoint in checkpoints.list_of(session, job)]


SAVED = {2: 0.7, 3: 0.9, 4: 0.8, 5: 0.9, 6: 0.6}
"""Steps with a checkpoint, and the validation accuracy of each."""


@pytest.mark.parametrize("ends", [[10], [3, 10], [2, 4, 5, 10]], ids=["one span", "two", "four"])
@pytest.mark.parametrize(
    ("keep", "kept", "best"),
    [(2, [6, 5, 3], (3, 0.9)), (1, [6, 3], (3, 0.9)), (0, [6], (6, 0.6))],
    ids=["two", "one", "the last only"],
)
def test_old_checkpoints_go_but_the_best_and_the_newest_stay(
    database: Database, ends: list[int], keep: int, kept: list[int], best: tuple[int, float]
) -> None:
    job, claimed = claimed_job(database)

    for first, last in pairwise([0, *ends]):
        with database.writing() as session:
            made = span(claimed, first + 1, last, SAVED, keep_checkpoints=keep)
            record_spans(session, [made], at(2))

    found = reread(database, job)
    assert kept_of(database, job) == kept
    assert found.best == {"step": best[0], "validation_accuracy": best[1], "test_accuracy": best[1]}
    assert found.size_bytes == len(kept) * len(b"weights of 6")


def test_a_checkpoint_that_its_own_span_drops_is_not_written(database: Database) -> None:
    _, claimed = claimed_job(database)
    written: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: written.append(call[2]))

    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 10, SAVED)], at(2))

    assert [each for each in written if each.startswith("DELETE FROM checkpoints")] == []


def test_windows_and_limits_choose_rows(database: Database) -> None:
    job, claimed = claimed_job(database, SPEC)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 10)], at(2))

    with database.reading() as session:
        rows = metrics.read(session, job.key, Window(4, 9), 3, ["step"])

    assert rows == [(4, None), (5, None), (6, None)]


def test_evaluated_rows_are_those_with_figures_finite_or_not(database: Database) -> None:
    job, claimed = claimed_job(database, SPEC)
    losses = [(0.5, 0.25), (None, None), (math.nan, 0.1), (math.inf, None), (None, 0.1), (None, None)]
    rows = [MetricRow(step, math.nan, 0.1, *found, None, None, 0.5) for step, found in enumerate(losses, 1)]
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 6, rows=rows)], at(2))

    with database.reading() as session:
        read = metrics.read(session, job.key, Window(evaluated=True), 10, ["step"])

    assert [step for step, _ in read] == [1, 3, 4, 5]


def test_a_history_whose_server_has_ended_the_session_knows_that(postgresql_database: Database) -> None:
    """Else it would count as a mistake of ours, and fail the job."""
    job, _ = claimed_job(postgresql_database)

    with postgresql_database.reading() as session:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        with postgresql_database.reading() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(DBAPIError) as ended:
            metrics.add(session, job.key, [metric(1)])
        session.invalidate()

    assert ended.value.connection_invalidated
