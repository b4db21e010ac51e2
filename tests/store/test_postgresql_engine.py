"""Connections to PostgreSQL: the user's own options of a connection beside ours."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import inspect, make_url, text

from service.store import schema
from service.store.backups import back_up, restore
from service.store.database import Database
from service.store.invariants import check_invariants
from tests.fixtures import empty_database
from tests.store.rows import ids_of, submit


def with_options(url: str, **options: str) -> Database:
    return Database(make_url(url).update_query_dict(options))


def shown(database: Database, *names: str) -> list[str]:
    with database.reading() as session:
        return [str(session.scalar(text(f"SHOW {name}"))) for name in names]


@pytest.fixture
def in_a_schema(postgresql_url: str) -> Iterator[Database]:
    """A database whose user names a schema in the URL."""
    database = with_schema(postgresql_url)
    schema.upgrade(database.engine)
    yield database
    database.close()


def with_schema(server_url: str) -> Database:
    url = empty_database(server_url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA ours")
    return with_options(url, options="-c search_path=ours -c work_mem=8MB", application_name="mine")


def test_the_options_of_the_user_are_kept(in_a_schema: Database) -> None:
    found = shown(in_a_schema, "search_path", "work_mem", "application_name")

    assert found == ["ours", "8MB", "mine"]
    assert "jobs" in inspect(in_a_schema.engine).get_table_names(schema="ours")


def test_our_settings_are_in_force_beside_them(in_a_schema: Database) -> None:
    assert shown(in_a_schema, "statement_timeout", "TimeZone", "idle_in_transaction_session_timeout") == [
        "7s",
        "UTC",
        "10s",
    ]


def test_a_limit_of_the_user_replaces_ours(postgresql_url: str) -> None:
    database = with_options(postgresql_url, options="-c statement_timeout=60s -c TimeZone=Europe/Berlin")

    found = shown(database, "statement_timeout", "TimeZone")

    database.close()
    assert found == ["1min", "UTC"]


def test_connections_have_our_name_otherwise(postgresql_database: Database) -> None:
    assert shown(postgresql_database, "application_name") == ["normserve"]


def test_a_schema_of_the_user_is_backed_up_and_restored(
    in_a_schema: Database, postgresql_url: str, tmp_path: Path
) -> None:
    job, another = submit(in_a_schema), with_schema(postgresql_url)
    back_up(in_a_schema, tmp_path / "backup")

    assert restore(another, tmp_path / "backup") == []

    assert ids_of(another) == {job.id}
    assert check_invariants(another) == []
    another.close()
