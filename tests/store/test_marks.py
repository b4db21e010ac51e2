"""What is marked as deleted is gone for every statement of a session, whatever form it has."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Select, delete, exists, func, select, update
from sqlalchemy.orm import aliased

from service.errors import JobNotFound
from service.store import backups, deletion, jobs
from service.store.database import Database
from service.store.invariants import check_invariants
from service.store.marks import WITH_MARKED
from service.store.sweeping import sweep_all
from service.store.tables import Comparison, Job, Metric
from tests.marked import sees_marked
from tests.store.rows import at
from tests.store.test_pruning import end, remaining
from tests.store.test_sweeping import deleted, deleted_comparison, rows

OTHER = aliased(Job)
NUMBERED = select(Job.key.label("key"), func.row_number().over(order_by=Job.key)).subquery()

FORMS: dict[str, Select[int]] = {
    "entity": select(func.count()).select_from(Job),
    "column": select(func.count(Job.key)),
    "only in the condition": select(func.count()).where(Job.status == "failed"),
    "alias": select(func.count(OTHER.key)),
    "join": select(func.count(Metric.step)).join(Job, Job.key == Metric.job_key),
    "alias in a join": select(func.count(Metric.step)).join(OTHER, OTHER.key == Metric.job_key),
    "join of two": select(func.count(Job.key)).join(OTHER, OTHER.key == Job.key),
    "subquery in a condition": select(func.count(Metric.step)).where(Metric.job_key.in_(select(Job.key))),
    "exists": select(func.count(Metric.step)).where(exists().where(Job.key == Metric.job_key)),
    "derived table": select(func.count(Job.key)).where(Job.key.in_(select(NUMBERED.c.key))),
    "group": select(func.count(Job.key)).group_by(Job.status),
    "comparison": select(func.count(Comparison.key)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_select_does_not_see_them(database: Database, form: str) -> None:
    deleted(database)
    deleted_comparison(database)

    with database.reading() as session:
        assert not session.scalar(FORMS[form])
        assert session.scalar(FORMS[form], execution_options=WITH_MARKED)


def test_get_does_not_see_them(database: Database) -> None:
    key = deleted(database).key

    with database.reading() as session:
        assert session.get(Job, key) is None


def test_an_update_and_a_delete_do_not_see_them(database: Database) -> None:
    deleted(database)

    with database.writing() as session:
        changed = session.scalars(update(Job).values(label="x").returning(Job.key)).all()
        gone = session.scalars(delete(Job).where(Job.status == "failed").returning(Job.key)).all()

    assert (changed, gone, rows(database, Job)) == ([], [], [1])


def test_nothing_can_be_done_with_a_deleted_job(database: Database) -> None:
    job = deleted(database)
    actions: list[Callable[..., object]] = [
        lambda session: jobs.get(session, job.id),
        lambda session: jobs.relabel(session, job.id, {"label": "x"}),
        lambda session: jobs.cancel_if_not_ended(session, job.id, at(30)),
        lambda session: deletion.delete_job(session, job.id, at(30)),
    ]

    for action in actions:
        with pytest.raises(JobNotFound), database.writing() as session:
            action(session)


def test_a_backup_restores_what_is_marked_as_deleted(
    database: Database, another_url: Callable[[], str], tmp_path: Path
) -> None:
    deleted(database)
    deleted_comparison(database)
    kept = end(database, 10)
    backups.back_up(database, tmp_path / "backup")
    restored = Database(another_url())

    violations = backups.restore(restored, tmp_path / "backup")

    assert (violations, remaining(restored), rows(restored, Job)) == ([], [kept.key], [4])
    sweep_all(restored, lambda _: None)
    assert (rows(restored, Job, Comparison), check_invariants(restored)) == ([1, 0], [])
    restored.close()


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT jobs.key FROM jobs", ["jobs"]),
        ("SELECT jobs.key FROM jobs WHERE jobs.deleted_at IS NULL", []),
        ("SELECT 1 FROM jobs AS jobs_1 JOIN jobs ON jobs_1.deleted_at IS NULL", ["jobs"]),
        ("SELECT 1 FROM metrics, comparisons", ["comparisons"]),
        ("SELECT 1 FROM metrics", []),
        ("UPDATE jobs SET step=?", ["jobs"]),
        ("UPDATE jobs SET step=? WHERE jobs.key = ?", []),
    ],
)
def test_the_check_of_all_statements_finds_those_that_see_them(statement: str, found: list[str]) -> None:
    assert sees_marked(statement) == found
