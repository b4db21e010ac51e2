"""Pruning on both databases: old ended jobs go whole, everything else stays."""

from unittest.mock import Mock

import pytest
from sqlalchemy import event, func, select, text

from models.specs.comparison import Arm, ComparisonSpec
from service.store import comparisons, jobs
from service.store.database import Database
from service.store.invariants import check_invariants
from service.store.pruning import Pruned, count_prunable, prune
from service.store.spans import record_spans
from service.store.sweeping import sweep
from service.store.tables import Base, Comparison, Job
from tests.store.rows import at, claim, span, submit

BELONGS_TO_JOBS = [table for name, table in Base.metadata.tables.items() if "job_key" in table.columns]


def end(database: Database, seconds: float) -> Job:
    """A job that failed after ten steps, with two checkpoints."""
    job = submit(database)
    claimed = claim(database, job)
    assert claimed is not None
    with database.writing() as session:
        record_spans(session, [span(claimed, 1, 10, {5: 0.9, 10: 0.8})], at(2))
        jobs.finish_if_running(session, job.key, 1, at(seconds), failure={"code": "internal"})
    return job


def remaining(database: Database) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(select(Job.key).order_by(Job.key)))


WEIGHTS_BYTES = len(b"weights of 5") + len(b"weights of 10")


def test_old_ended_jobs_go_with_all_that_belongs_to_them(database: Database) -> None:
    [end(database, 10) for _ in range(3)]

    gone = prune(database, at(11))

    with database.reading() as session:
        left = [session.scalar(select(func.count()).select_from(table)) for table in BELONGS_TO_JOBS]
    assert gone == Pruned(jobs=3, rows=30, weights_bytes=3 * WEIGHTS_BYTES)
    assert (remaining(database), left) == ([], [0] * len(BELONGS_TO_JOBS))


def test_what_has_not_ended_or_ended_later_stays(database: Database) -> None:
    end(database, 10)
    young, queued, running = end(database, 11), submit(database), submit(database)
    claim(database, running)

    gone = prune(database, at(11))

    assert gone.jobs == 1
    assert remaining(database) == [young.key, queued.key, running.key]
    assert check_invariants(database) == []


def test_a_cancelled_job_goes_too(database: Database) -> None:
    job = submit(database)
    with database.writing() as session:
        jobs.cancel_if_not_ended(session, job.id, at(10))

    assert prune(database, at(11)) == Pruned(jobs=1)


def test_counting_deletes_nothing(database: Database) -> None:
    old = end(database, 10)
    end(database, 12)

    with database.reading() as session:
        found = count_prunable(session, at(11))

    assert found == Pruned(jobs=1, rows=10, weights_bytes=WEIGHTS_BYTES)
    assert old.key in remaining(database)


def test_a_transaction_marks_a_bounded_number_of_jobs(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.pruning.MOST_MARKED", 2)
    [end(database, 10) for _ in range(5)]
    marked: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: marked.append(call[2]))

    gone = prune(database, at(11))

    # The last finds nothing more to mark.
    assert (gone.jobs, len([each for each in marked if "SET deleted_at" in each])) == (5, 4)


def test_a_prune_that_is_interrupted_has_deleted_all_that_it_marked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended_comparison(database, 8)
    with monkeypatch.context() as interrupted, pytest.raises(KeyboardInterrupt):
        interrupted.setattr("service.store.pruning.sweep_all", Mock(side_effect=KeyboardInterrupt))
        prune(database, at(11))
    assert (comparisons_of(database), remaining(database), check_invariants(database)) == ([], [], [])

    assert prune(database, at(11)) == Pruned()

    assert sweep(database) is False


@pytest.mark.slow
def test_the_space_of_pruned_jobs_is_used_again(sqlite: Database) -> None:
    [end(sqlite, 10) for _ in range(50)]
    with sqlite.reading() as session:
        size = session.scalar(text("PRAGMA page_count"))
    prune(sqlite, at(11))
    [end(sqlite, 12) for _ in range(50)]

    with sqlite.reading() as session:
        assert session.scalar(text("PRAGMA page_count")) == size


def ended_comparison(database: Database, seconds: float) -> str:
    """A comparison of two jobs that were cancelled, one a second after the other."""
    spec = ComparisonSpec(arms=[Arm(name="none")], seeds=[0, 1])
    with database.writing() as session:
        comparison = comparisons.create(session, spec, None, at(0))
        ids = [job.id for job in comparisons.runs_with_digests(session, comparison)]
        [jobs.cancel_if_not_ended(session, id_, at(seconds + place)) for place, id_ in enumerate(ids)]
    return comparison.id


def comparisons_of(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(Comparison.id).order_by(Comparison.key)))


def test_a_comparison_goes_whole_once_all_its_jobs_are_old(database: Database) -> None:
    ended_comparison(database, 8)
    half_old = ended_comparison(database, 10)
    alone = end(database, 9)

    with database.reading() as session:
        counted = count_prunable(session, at(11))
    gone = prune(database, at(11))

    assert (counted, gone) == (gone, Pruned(jobs=3, rows=10, weights_bytes=WEIGHTS_BYTES))
    assert comparisons_of(database) == [half_old]
    assert alone.key not in remaining(database)
    assert check_invariants(database) == []


def test_a_comparison_that_was_extended_stays(database: Database) -> None:
    extended = ended_comparison(database, 8)
    with database.writing() as session:
        comparison = comparisons.get(session, extended, to_change=True)
        more = ComparisonSpec(arms=[Arm(name="none")], seeds=[0, 1, 2])
        comparisons.extend(session, comparison, more, at(9))

    assert prune(database, at(11)) == Pruned()
    assert comparisons_of(database) == [extended]
