"""Lists of many jobs read an index in its order: no table is read whole, and nothing is sorted."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from models.specs.spec import TrainSpec
from service.store import jobs, queries, schema, tags
from service.store.database import Database
from service.store.queries import JobFilter, JobSort
from service.store.tables import Job
from tests.fixtures import fresh_database
from tests.store.rows import T0

JOBS = 4_000
NORMS = ("none", "weight", "batch", "layer")
FEW = 20  # jobs of one page
PLANS: list[tuple[JobFilter, JobSort]] = [
    (JobFilter(label="label 3"), "-created_at"),
    (JobFilter(label="label 3"), "created_at"),
    (JobFilter(label="none has it"), "-created_at"),
    (JobFilter(norm="batch"), "-created_at"),
    (JobFilter(norm="rms"), "-created_at"),
    (JobFilter(seed=17), "-created_at"),
    (JobFilter(tags=[("half", "0")]), "-created_at"),
    (JobFilter(tags=[("half", "0")]), "created_at"),
    (JobFilter(tags=[("half", "no")]), "-created_at"),
    (JobFilter(tags=[("half", "0"), ("tenth", "0")]), "-created_at"),
    (JobFilter(), "-test_accuracy"),
    (JobFilter(), "test_accuracy"),
    (JobFilter(init=True), "-created_at"),
    (JobFilter(init=True), "-test_accuracy"),
    (JobFilter(norm="batch"), "-test_accuracy"),
    (JobFilter(norm="rms"), "test_accuracy"),
    (JobFilter(seed=17), "-test_accuracy"),
    (JobFilter(status=["succeeded"]), "-created_at"),
    (JobFilter(status=["running"]), "-test_accuracy"),
    (JobFilter(status=["succeeded"], norm="batch"), "-created_at"),
    (JobFilter(status=["running"], norm="batch", init=True, seed=17), "-created_at"),
    (JobFilter(status=["running"], norm="batch"), "-test_accuracy"),
    (JobFilter(status=["succeeded"], label="label 3"), "-created_at"),
    (JobFilter(status=["succeeded"], tags=[("half", "0")]), "-created_at"),
]
SEVERAL: list[tuple[JobFilter, JobSort]] = [
    (JobFilter(status=["queued", "running"]), "-created_at"),
    (JobFilter(status=["succeeded", "failed"]), "created_at"),
    (JobFilter(status=["succeeded", "failed", "running"], norm="batch"), "-test_accuracy"),
]
LOOKED_UP = {
    "ix_jobs_status_": JobFilter(status=["running"], norm="batch", init=True, seed=17),
    "ix_jobs_label_": JobFilter(status=["running"], norm="batch", label="label 3"),
    "ix_job_tags_": JobFilter(status=["running"], norm="batch", tags=[("half", "0")]),
    "ix_jobs_comparison_key": JobFilter(status=["running"], seed=17, comparison_id="cmp_1"),
}
"""The index that SQLite must use: without statistics, it does not know that few jobs run."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Thousands of jobs, half of them evaluated, and few of them queued or running.

    PostgreSQL has its statistics, which it gathers by itself; SQLite has none.
    """
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path_factory.mktemp('plans') / 'many.db'}")
        schema.upgrade(database.engine)
    else:
        database = Database(fresh_database(request.getfixturevalue("postgresql_url")))
    fill(database)
    yield database
    database.close()


def fill(database: Database) -> None:
    first = jobs.new(TrainSpec(), None, {}, T0)
    columns = [column.name for column in Job.__table__.columns if column.name != "key"]
    row = {name: getattr(first, name) for name in columns}
    chosen = [
        {
            **row,
            "key": number + 1,
            "id": f"job_{number:032x}",
            "label": f"label {number % 400}",
            "norm": NORMS[number % 4],
            "seed": number % 500,
            "init": number % 3 == 0,
            "status": {0: "running", 1: "queued", 2: "failed"}.get(number % 400, "succeeded"),
            "test_accuracy": number / JOBS if number % 2 else -1.0,
            "size_bytes": 0,
        }
        for number in range(JOBS)
    ]
    with database.writing() as session:
        session.execute(insert(Job), chosen)
        tags.index(
            session,
            {number + 1: {"half": str(number % 2), "tenth": str(number % 10)} for number in range(JOBS)},
        )
        if not database.is_sqlite:
            session.execute(text("ANALYZE"))


def plan_of(database: Database, wanted: JobFilter, sort: JobSort, cursor: str | None) -> list[Any]:
    """Ask the database how it finds a page of jobs: its own rows."""
    asked: list[tuple[str, Any]] = []
    with database.reading() as session:
        event.listen(database.engine, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
        queries.list_jobs(session, wanted, sort, 20, cursor)
        [(statement, values)] = [found for found in asked if "FROM jobs" in found[0]]
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN (FORMAT JSON)"
        return list(session.connection().exec_driver_sql(f"{explain} {statement}", values).all())


def faults_on_sqlite(rows: list[Any]) -> list[str]:
    steps = [row[3] for row in rows]
    return [step for step in steps if "TEMP B-TREE" in step or ("SCAN" in step and "INDEX" not in step)]


def faults_on_postgresql(rows: list[Any], few: int = FEW) -> list[str]:
    nodes, faults = [rows[0][0][0]["Plan"]], []
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        # It may sort the few jobs that it has found in an index.
        if "Seq Scan" in node["Node Type"] or ("Sort" in node["Node Type"] and node["Plan Rows"] > few):
            faults.append(f"{node['Node Type']} of {node['Plan Rows']} rows")
    return faults


@pytest.mark.parametrize("page", ["first page", "next page"])
@pytest.mark.parametrize(("wanted", "sort"), PLANS, ids=str)
def test_a_page_reads_an_index(many: Database, wanted: JobFilter, sort: JobSort, page: str) -> None:
    with many.reading() as session:
        cursor = queries.list_jobs(session, wanted, sort, 2, None).next_cursor

    rows = plan_of(many, wanted, sort, cursor if page == "next page" else None)

    assert (faults_on_sqlite(rows) if many.is_sqlite else faults_on_postgresql(rows)) == []


@pytest.mark.parametrize(("wanted", "sort"), SEVERAL, ids=str)
def test_a_page_of_several_states_sorts_their_pages_only(
    many: Database, wanted: JobFilter, sort: JobSort
) -> None:
    rows = plan_of(many, wanted, sort, None)

    faults = faults_on_sqlite(rows) if many.is_sqlite else faults_on_postgresql(rows, 21 * len(wanted.status))
    # A page of each state is a subquery that SQLite names anon_1 and so on.
    assert [fault for fault in faults if "anon_" not in fault and "ORDER BY" not in fault] == []


@pytest.mark.slow
@pytest.mark.parametrize("index", LOOKED_UP)
def test_sqlite_looks_up_what_is_rare(many: Database, index: str) -> None:
    rows = plan_of(many, LOOKED_UP[index], "-created_at", None)

    assert not many.is_sqlite or any(index in row[3] for row in rows)
