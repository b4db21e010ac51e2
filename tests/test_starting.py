"""A command that cannot use its database says why in one line, and ends."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from service.store.database import Database
from tests.fixtures import empty_database
from tests.pgbouncer import pooler
from tests.process import completed

pytestmark = pytest.mark.slow

COMMANDS = ["up", "migrate", "api", "dispatch"]


def run(command: str, folder: Path, settings: dict[str, str]) -> tuple[int, str, str]:
    environment = {"NORMSERVE_DATA_DIR": str(folder), "NORMSERVE_PORT": "0", **settings}
    done = completed([command], {**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr


def assert_refused(ended: tuple[int, str, str], why: str) -> None:
    code, printed, said = ended
    assert (code, printed, said.count("\n"), said.startswith("normserve: ")) == (1, "", 1, True), said
    assert (why in said, "try again" in said) == (True, False), said


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[dict[str, str]]:
    folder = tmp_path / "disk"
    folder.mkdir()
    # Only root may: others run unshare --map-root-user --mount pytest.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], check=True)
    yield {"NORMSERVE_DATA_DIR": str(folder)}
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def no_server() -> dict[str, str]:
    return {"NORMSERVE_DATABASE_URL": "postgresql://me@127.0.0.1:1/base"}


@pytest.fixture
def text_file(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "normserve.db").write_text("notes\n" * 200)
    return {}


@pytest.fixture
def newer(sqlite_url: str) -> dict[str, str]:
    database = Database(sqlite_url)
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    return {"NORMSERVE_DATABASE_URL": sqlite_url}


@pytest.fixture
def shared_sessions(postgresql_url: str) -> Iterator[dict[str, str]]:
    with pooler(postgresql_url, "transaction") as url:
        yield {"NORMSERVE_DATABASE_URL": url}


@pytest.mark.parametrize(
    ("command", "broken", "why"),
    [
        *(
            (each, "no_server", "no server listens at the address of the database: start PostgreSQL")
            for each in COMMANDS
        ),
        *(
            (each, "newer", "newer than this release: install the release that migrated it")
            for each in COMMANDS
        ),
        ("migrate", "text_file", "is not a SQLite database: move it away"),
        ("api", "read_only", "cannot be written to: let this user write it"),
        ("dispatch", "shared_sessions", "use session pooling"),
    ],
)
def test_a_command_without_its_database_ends_with_one_line(
    request: pytest.FixtureRequest, tmp_path: Path, command: str, broken: str, why: str
) -> None:
    settings = request.getfixturevalue(broken)

    assert_refused(run(command, tmp_path, settings), why)


def test_a_role_without_rights_on_its_schema_is_told_whom_to_make_owner(
    postgresql_url: str, tmp_path: Path
) -> None:
    url = empty_database(postgresql_url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN")
    guest = make_url(url).set(username="guest").render_as_string()

    assert_refused(
        run("migrate", tmp_path, {"NORMSERVE_DATABASE_URL": guest}), "make it the owner of the database"
    )


@pytest.mark.parametrize("command", ["up", "migrate", "prune --older-than 1d", "backup file"])
def test_a_url_that_is_none_is_refused_with_the_name_of_its_setting(tmp_path: Path, command: str) -> None:
    settings = {"NORMSERVE_DATABASE_URL": "postgresql://host:port/base", "NORMSERVE_DATA_DIR": str(tmp_path)}
    done = completed(command.split(), {**os.environ, **settings}, folder=tmp_path)

    said = "normserve: NORMSERVE_DATABASE_URL: must have a number as its port\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_several_first_migrations_at_once_make_one_schema(unmigrated_url: str, tmp_path: Path) -> None:
    settings = {"NORMSERVE_DATABASE_URL": unmigrated_url, "NORMSERVE_DATA_DIR": str(tmp_path)}

    with ThreadPoolExecutor(5) as users:
        started = [users.submit(completed, ["migrate"], {**os.environ, **settings}) for _ in range(5)]
    ended = [(done.stdout, done.stderr, done.returncode) for done in (each.result() for each in started)]

    database = Database(unmigrated_url)
    with database.reading() as session:
        found = session.scalars(text("SELECT version_num FROM alembic_version")).all()
    database.close()
    assert len(found) == 1
    made = f"the schema is made, at revision {found[0]}\n"
    kept = f"the schema is at revision {found[0]}: there was nothing to do\n"
    assert sorted(ended) == [*[(kept, "", 0)] * 4, (made, "", 0)]
