"""Comparisons are created, extended, cancelled and deleted as a whole."""

from typing import Any

import pytest
from sqlalchemy import func, select

from models.specs.comparison import MOST_RUNS, ComparisonSpec
from service.errors import ComparisonNotEnded, ComparisonNotFound, InvalidCursor, JobInUse
from service.store import comparisons, deletion
from service.store.database import Database
from service.store.invariants import check_invariants
from service.store.tables import Comparison, Job
from tests.store.rows import at, finish, history

ARTICLE = ComparisonSpec.model_validate({"preset": "article", "seeds": 2, "base": {"steps": 10}})


def create(database: Database, spec: ComparisonSpec = ARTICLE) -> str:
    with database.writing() as session:
        return comparisons.create(session, spec, "a label", at(0)).id


def jobs_of(database: Database, public_id: str) -> list[Job]:
    with database.reading() as session:
        key = comparisons.get(session, public_id).key
        return list(session.scalars(select(Job).where(Job.comparison_key == key).order_by(Job.key)))


def statuses(database: Database, public_id: str) -> dict[str, int]:
    with database.reading() as session:
        comparison = comparisons.get(session, public_id)
        return dict(comparisons.progress(session, [comparison.key])[comparison.key].statuses)


def count(database: Database, table: Any) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_comparison_has_a_job_for_every_arm_and_seed(database: Database) -> None:
    public_id = create(database)

    found = [(job.arm, job.seed, job.norm, job.init, job.status) for job in jobs_of(database, public_id)]
    assert found == [
        (run.arm, run.spec.seed, run.spec.norm, run.spec.init, "queued") for run in ARTICLE.runs()
    ]
    assert check_invariants(database) == []


def test_what_was_asked_for_is_kept_with_every_arm_written_out(database: Database) -> None:
    public_id = create(database)

    with database.reading() as session:
        stored = comparisons.get(session, public_id).spec
    assert stored == {
        "preset": "article",
        "base": {"steps": 10},
        "arms": [{"name": name, **fields} for name, fields in ARTICLE.arm_fields().items()],
        "seeds": [0, 1],
        "learning_rates": [],
        "baseline": "none",
    }
    assert list(ComparisonSpec(**{**stored, "preset": None}).runs()) == list(ARTICLE.runs())


def test_a_comparison_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.writing() as session:
        comparisons.create(session, ARTICLE, None, at(0))
        raise RuntimeError

    assert (count(database, Comparison), count(database, Job)) == (0, 0)


@pytest.mark.slow
def test_the_largest_comparison_is_created_and_cancelled_at_once(database: Database) -> None:
    public_id = create(database, ComparisonSpec(preset="article", seeds=list(range(MOST_RUNS // 5))))

    with database.writing() as session:
        comparisons.cancel(session, comparisons.get(session, public_id), at(1))

    assert statuses(database, public_id) == {"cancelled": MOST_RUNS}
    assert check_invariants(database) == []


def test_cancelling_leaves_jobs_that_have_ended(database: Database) -> None:
    public_id = create(database)
    first, second, *_ = jobs_of(database, public_id)
    finish(database, first)

    with database.writing() as session:
        comparisons.cancel(session, comparisons.get(session, public_id), at(20))

    assert statuses(database, public_id) == {"succeeded": 1, "cancelled": 9}
    with database.reading() as session:
        assert history(session, second)[-1] == ("cancelled", "asked for")


def test_an_extension_adds_only_what_is_not_there(database: Database) -> None:
    public_id = create(database)
    before = [job.id for job in jobs_of(database, public_id)]
    arms = [{"name": "rms", "norm": "rms"}]
    more = ComparisonSpec.model_validate(
        {"preset": "article", "seeds": 3, "base": {"steps": 10}, "arms": arms}
    )

    with database.writing() as session:
        added = comparisons.extend(session, comparisons.get(session, public_id), more, at(1))

    found = jobs_of(database, public_id)
    assert (added, len(found)) == (8, 18)
    assert [job.id for job in found][:10] == before
    assert {(job.arm, job.seed) for job in found[10:]} == {
        *(("rms", seed) for seed in range(3)),
        *((arm, 2) for arm in ARTICLE.arm_names()),
    }


def test_a_cancelled_run_is_run_again_and_the_sum_of_revisions_grows(database: Database) -> None:
    public_id = create(database)
    first, second, *_ = jobs_of(database, public_id)
    with database.writing() as session:
        comparison = comparisons.get(session, public_id)
        comparisons.cancel(session, comparison, at(1))
        before = comparisons.progress(session, [comparison.key])[comparison.key].revision

    with database.writing() as session:
        comparison = comparisons.get(session, public_id, to_change=True)
        added = comparisons.extend(session, comparison, ARTICLE, at(2), comparisons.Again(seeds=[0]))
        after = comparisons.progress(session, [comparison.key])[comparison.key].revision

    assert (added, after > before) == (5, True)
    assert statuses(database, public_id) == {"cancelled": 5, "queued": 5}
    assert {first.id, second.id}.isdisjoint(job.id for job in jobs_of(database, public_id))
    assert check_invariants(database) == []


def test_a_comparison_goes_with_all_its_jobs(database: Database) -> None:
    public_id, other = create(database), create(database)
    with database.writing() as session:
        comparison = comparisons.get(session, public_id)
        comparisons.cancel(session, comparison, at(1))
        deletion.delete_comparison(session, comparison, at(20))

    assert len(jobs_of(database, other)) == count(database, Job) == 10
    with database.reading() as session, pytest.raises(ComparisonNotFound):
        comparisons.get(session, public_id)


def test_a_comparison_that_runs_is_not_deleted(database: Database) -> None:
    public_id = create(database)

    with pytest.raises(ComparisonNotEnded), database.writing() as session:
        deletion.delete_comparison(session, comparisons.get(session, public_id), at(20))

    assert len(jobs_of(database, public_id)) == 10


def test_a_job_of_a_comparison_is_deleted_with_it_only(database: Database) -> None:
    public_id = create(database)
    job = jobs_of(database, public_id)[0]
    finish(database, job)

    with pytest.raises(JobInUse, match=public_id), database.writing() as session:
        deletion.delete_job(session, job.id, at(20))


@pytest.mark.parametrize("public_id", ["", "cmp_", "job_" + 32 * "0", "cmp_" + 32 * "0", "cmp_" + 32 * "é"])
def test_an_id_that_is_none_is_not_found(database: Database, public_id: str) -> None:
    with database.reading() as session, pytest.raises(ComparisonNotFound):
        comparisons.get(session, public_id)


def test_pages_hold_every_comparison_once_the_newest_first(database: Database) -> None:
    created = [create(database) for _ in range(3)]

    with database.reading() as session:
        first, cursor = comparisons.list_page(session, 2, None)
        second, end = comparisons.list_page(session, 2, cursor)
    assert [comparison.id for comparison in [*first, *second]] == created[::-1]
    assert end is None
    with database.reading() as session, pytest.raises(InvalidCursor):
        comparisons.list_page(session, 2, "no")
