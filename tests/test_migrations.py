"""Migrations equal the tables, go down and up, and import nothing of the application."""

import ast
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from service.api.health.routes import READY
from service.errors import DatabaseUnavailable
from service.store import deletion, jobs, queries, schema
from service.store.database import Database
from service.store.queries import JobFilter
from service.store.tables import Base
from service.work.plan import plan
from tests.store.rows import at, finish, reread, submit

VERSIONS = sorted((Path(__file__).parents[1] / "migrations").rglob("*.py"))


def test_nothing_is_left_to_migrate(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )

        assert compare_metadata(context, Base.metadata) == []


def test_the_example_of_readiness_has_the_newest_revision() -> None:
    assert READY["schema_revision"] == schema.newest()


def test_the_schema_goes_down_and_up_again(database: Database) -> None:
    schema.downgrade(database.engine, "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}

    schema.upgrade(database.engine)

    with database.engine.connect() as connection:
        assert schema.current(connection) == schema.newest()


def test_migrating_twice_changes_nothing(database: Database) -> None:
    schema.upgrade(database.engine)

    with database.engine.connect() as connection:
        assert schema.current(connection) == schema.newest()


def test_jobs_that_had_no_shape_are_trained_alone(database: Database) -> None:
    submitted = [submit(database), submit(database)]

    schema.downgrade(database.engine, "0007")
    schema.upgrade(database.engine)

    found = [reread(database, job) for job in submitted]
    assert [(job.shape, job.run_bytes) for job in found] == [(None, None)] * 2
    assert [len(cohort) for cohort in plan(found, slots=1, room=2)] == [1, 1]


def test_the_pace_of_jobs_of_before_is_not_known(database: Database) -> None:
    job = submit(database)

    schema.downgrade(database.engine, "0008")
    schema.upgrade(database.engine)

    found = reread(database, job)
    assert (found.resumed_step, found.attempt_seconds) == (None, None)


def test_old_jobs_are_found_by_their_tags_and_have_their_bytes(database: Database) -> None:
    finished, waiting = submit(database, a="it's", b=""), submit(database, a="2")
    finish(database, finished)

    schema.downgrade(database.engine, "0008")
    schema.upgrade(database.engine)

    with database.reading() as session:
        found = [
            queries.list_jobs(session, JobFilter(tags=tags), "-test_accuracy", 9, None).items
            for tags in ([("a", "it's"), ("b", "")], [("a", "2")], [])
        ]
    ids = [[job.id for job in page] for page in found]
    assert ids == [[finished.id], [waiting.id], [finished.id, waiting.id]]
    assert [job.size_bytes for job in found[2]] == [len(b"weights of 10"), 0]


def test_what_is_marked_as_deleted_is_deleted_by_a_downgrade(database: Database) -> None:
    job = submit(database)
    with database.writing() as session:
        jobs.cancel_if_not_ended(session, job.id, at(1))
        deletion.delete_job(session, job.id, at(2))

    schema.downgrade(database.engine, "0008")

    with database.engine.connect() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM jobs")) == 0


def test_a_migration_does_not_make_others_wait_behind_a_backup(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.postgresql_engine.STATEMENT_SECONDS", 1)

    with postgresql_database.reading() as backup:
        backup.execute(text("SELECT count(*) FROM jobs"))
        with pytest.raises(DatabaseUnavailable, match="another transaction holds"):
            schema.downgrade(postgresql_database.engine, "base")

    with postgresql_database.engine.connect() as connection:
        assert schema.current(connection) == schema.newest()


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.name)
def test_a_migration_imports_no_application_code(path: Path) -> None:
    nodes = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}

    assert not {name for name in names if name.split(".")[0] in {"models", "service"}}
