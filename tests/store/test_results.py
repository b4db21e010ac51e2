"""Runs and histories of a comparison, read at once."""

import pytest

from models.specs.comparison import Arm, ComparisonSpec
from models.specs.metrics import MetricRow
from service.store import comparisons, results
from service.store.database import Database
from service.store.spans import record_spans
from service.store.tables import Job
from tests.store.rows import at, claim, claimed_job, finish, metric, reread, span, submit

ODD = [0.1 + 0.2, 1 / 3, 1e-300, 2.5e-17, 0.9609375]


def stored(database: Database, *rows: MetricRow) -> Job:
    job, claimed = claimed_job(database)
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, len(rows), rows=rows)], at(2))
    return job


def test_a_history_has_the_very_numbers_that_were_stored(database: Database) -> None:
    job = stored(database, *(metric(step, loss=loss) for step, loss in enumerate(ODD, start=1)))

    with database.reading() as session:
        found = results.histories(session, [job.key], "train_loss")[job.key]

    assert dict(zip(found.steps, found.values, strict=True)) == dict(enumerate(ODD, start=1))


def test_figures_that_are_not_finite_or_not_evaluated_are_left_out(database: Database) -> None:
    job = stored(database, metric(1, loss=float("inf")), metric(2, accuracy=0.5), metric(3))

    with database.reading() as session:
        losses = results.histories(session, [job.key], "train_loss")[job.key]
        accuracies = results.histories(session, [job.key], "test_accuracy")[job.key]

    assert sorted(losses.steps) == [2, 3]
    assert (list(accuracies.steps), list(accuracies.values)) == ([2], [0.5])


def test_only_the_steps_that_are_asked_for_are_read(database: Database) -> None:
    job = stored(database, *(metric(step) for step in range(1, 6)))

    with database.reading() as session:
        found = results.histories(session, [job.key], "train_loss", [1, 4, 9])[job.key]

    assert sorted(found.steps) == [1, 4]


def test_a_run_without_rows_has_an_empty_history(database: Database) -> None:
    job = submit(database)

    with database.reading() as session:
        [history] = results.histories(session, [job.key], "train_loss").values()
        assert results.histories(session, [], "train_loss") == {}

    assert (len(history.steps), len(history.values)) == (0, 0)


def test_a_figure_that_there_is_not_is_an_error(database: Database) -> None:
    with database.reading() as session, pytest.raises(ValueError, match="no figure"):
        results.histories(session, [], "spec")


def test_kept_summaries_are_found_until_a_job_changes(database: Database) -> None:
    spec = ComparisonSpec(arms=[Arm(name="none")], seeds=[0])
    with database.writing() as session:
        comparison = comparisons.create(session, spec, None, at(0))
    with database.writing() as session:
        revision = comparisons.progress(session, [comparison.key])[comparison.key].revision
        results.keep_summaries(session, comparison, revision, "kept")
    with database.reading() as session:
        [run] = results.runs(session, comparison)
        before = results.stored_summaries(session, comparison, revision)
        job = session.get_one(Job, run.key)

    claim(database, reread(database, job))

    with database.reading() as session:
        grown = comparisons.progress(session, [comparison.key])[comparison.key].revision
        after = results.stored_summaries(session, comparison, grown)
    assert (run.arm, run.seed, run.status, before, after) == ("none", 0, "queued", "kept", None)


def test_the_newest_comparisons_with_a_checkpoint_are_found(database: Database) -> None:
    spec = ComparisonSpec(arms=[Arm(name="none")], seeds=[0])
    with database.writing() as session:
        created = [comparisons.create(session, spec, None, at(0)) for _ in range(3)]
    with database.reading() as session:
        before = results.newest_with_checkpoint(session, 2)
        trained = [session.get_one(Job, results.runs(session, each)[0].key) for each in created[:2]]
    finish(database, submit(database))

    for job in trained:
        finish(database, job)

    with database.reading() as session:
        after = [results.newest_with_checkpoint(session, limit) for limit in (1, 2)]
    ids = [[each.id for each in found] for found in after]
    assert (before, ids) == ([], [[created[1].id], [created[1].id, created[0].id]])
