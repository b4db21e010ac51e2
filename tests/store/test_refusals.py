"""Why a database cannot be used, by what its driver reports: a sentence with a cure, without any names."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from service.errors import DatabaseUnavailable, DatabaseUnusable
from service.store.database import Database
from service.store.refusals import refusal_of
from tests import postgresql
from tests.process import free_port

SET_UP = """
    CREATE ROLE me LOGIN PASSWORD 'right'; CREATE ROLE stranger LOGIN PASSWORD 'right';
    CREATE ROLE retired NOLOGIN PASSWORD 'right'; CREATE DATABASE base;
    REVOKE CONNECT ON DATABASE base FROM PUBLIC; GRANT CONNECT ON DATABASE base TO me, retired
"""


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """The URL of a database that asks for a password, without TLS."""
    port = free_port()
    with postgresql.server("127.0.0.1", port) as server:
        with psycopg.connect(server, autocommit=True) as connection:
            for statement in SET_UP.split(";"):
                connection.execute(statement)
        yield f"postgresql://me:right@127.0.0.1:{port}/base"


def refused(url: str) -> DatabaseUnavailable:
    """What is raised by a first statement."""
    database = Database(url)
    with pytest.raises(DatabaseUnavailable) as raised, database.reading() as session:
        session.execute(text("SELECT 1"))
    database.close()
    return raised.value


@pytest.mark.parametrize(
    ("change", "cure"),
    [
        pytest.param({"password": "wrong"}, "set PGPASSWORD", id="wrong password"),
        pytest.param({"password": ""}, "set PGPASSWORD", id="no password"),
        pytest.param({"username": "unknown"}, "set PGPASSWORD", id="unknown user"),
        pytest.param(
            {"username": "retired"}, "allow the user and the machine in its pg_hba.conf", id="no login"
        ),
        pytest.param({"database": "none"}, "create it with createdb", id="no database"),
        pytest.param({"username": "stranger"}, "make it the owner of the database", id="no permission"),
        pytest.param({"host": "nowhere.invalid"}, "correct its name", id="unknown host"),
        pytest.param({"query": {"sslmode": "require"}}, "remove sslmode", id="no TLS"),
        pytest.param({"query": {"sslmod": "require"}}, "correct it or leave it out", id="unknown option"),
        pytest.param({"query": {"sslmode": "never"}}, "correct it or leave it out", id="wrong option"),
        pytest.param({"query": {"options": "-cfoo=1"}}, "correct it or leave it out", id="unknown setting"),
    ],
)
def test_what_time_does_not_heal_says_who_does_what(base: str, change: dict[str, str], cure: str) -> None:
    url = make_url(base).set(**change)  # type: ignore[arg-type] # the part that is wrong
    error = refused(url.render_as_string(hide_password=False))

    assert (type(error), cure in error.detail, "again" in str(error)) == (DatabaseUnusable, True, False)


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("postgresql://me@127.0.0.1:1/base", "start PostgreSQL, or correct NORMSERVE_DATABASE_URL"),
        ("postgresql://me@localhost:1/base", "start PostgreSQL, or correct NORMSERVE_DATABASE_URL"),
        ("postgresql://me@/base?host=/nowhere", "start PostgreSQL, or correct NORMSERVE_DATABASE_URL"),
    ],
    ids=["port", "two addresses", "socket"],
)
def test_a_server_that_does_not_run_is_said_not_to(url: str, cure: str) -> None:
    error = refused(url)

    assert (type(error), cure in error.detail, "again" in str(error)) == (DatabaseUnavailable, True, False)


def test_names_are_for_the_command_line_only(base: str) -> None:
    error = refused(base.replace("right", "wrong"))

    assert ('user "me"' in str(error), "me" in error.detail.split(), "\n" in str(error)) == (
        True,
        False,
        False,
    )


def test_a_refused_password_is_known_in_any_language(base: str) -> None:
    with pytest.raises(psycopg.OperationalError) as raised:
        psycopg.connect(base.replace("right", "wrong"))
    german = "FATAL:  Passwort-Authentifizierung für Benutzer »me« fehlgeschlagen"

    refusal = refusal_of(psycopg.OperationalError(german, pgconn=raised.value.pgconn), while_connecting=True)

    assert refusal == refusal_of(raised.value, while_connecting=True)


def test_a_server_that_demands_tls_says_so() -> None:
    words = 'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "me", database "base", no encryption'

    refusal = refusal_of(psycopg.OperationalError(words), while_connecting=True)

    assert refusal is not None
    assert "sslmode=require" in refusal.detail


def test_a_role_that_may_not_create_tables_is_told_how_to(base: str) -> None:
    database = Database(base)

    with pytest.raises(DatabaseUnusable, match="make it the owner"), database.writing() as session:
        session.execute(text("CREATE TABLE jobs ()"))

    database.close()


def test_a_database_without_a_schema_says_what_makes_it_one(unmigrated_url: str) -> None:
    database = Database(unmigrated_url)

    with pytest.raises(DatabaseUnusable, match="run normserve migrate"), database.reading() as session:
        session.execute(text("SELECT * FROM jobs"))

    database.close()


def damage(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100] + b"\0" * 8000)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        pytest.param(lambda file: file.write_text("notes\n" * 200), "is not a SQLite database", id="text"),
        pytest.param(damage, "is damaged", id="damaged"),
        pytest.param(lambda file: [file.unlink(), file.mkdir()], "cannot be opened", id="folder"),
    ],
)
def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path, harm: object, said: str) -> None:
    file = tmp_path / "normserve.db"
    database = Database(f"sqlite:///{file}")
    with database.writing() as session:
        session.execute(text("CREATE TABLE jobs (key INTEGER)"))
    database.close()
    harm(file)  # type: ignore[operator] # one of the functions above

    with pytest.raises(DatabaseUnusable, match=said), database.reading() as session:
        session.execute(text("SELECT * FROM jobs"))

    database.close()
