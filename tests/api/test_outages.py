"""Nothing is promised that is not stored, and a database that is away is said to be."""

import resource
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, make_url, select, text
from starlette.testclient import TestClient

from service.store.database import Database
from service.store.tables import IdempotencyKey, Job
from tests.api import work
from tests.api.work import problem, submitted

GO_AWAY = """
CREATE FUNCTION go_away() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT OR UPDATE OR DELETE ON jobs
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION go_away();
"""


AWAY = {
    "The database does not exist: create it with createdb, or correct NORMSERVE_DATABASE_URL.",
    "The file of the database cannot be opened: let this user read and write it and its folder.",
}
"""What is said of a database that is gone: time does not bring it back."""


def failing_commits(client: TestClient) -> AbstractContextManager[None]:
    """Let every COMMIT fail, though all statements before it succeed."""
    database = work.database(client)
    return log_that_cannot_grow(database) if database.is_sqlite else server_that_hangs_up(database)


@contextmanager
def log_that_cannot_grow(database: Database) -> Iterator[None]:
    """SQLite writes the pages of a transaction to its log when it commits: let that fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = Path(f"{database.url.database}-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def server_that_hangs_up(database: Database) -> Iterator[None]:
    """PostgreSQL runs deferred triggers when it commits: let one end the connection."""
    with database.writing() as session:
        session.execute(text(GO_AWAY))
    yield
    with database.writing() as session:
        session.execute(text("DROP TRIGGER at_commit ON jobs"))


def test_a_job_whose_commit_fails_is_not_created(client: TestClient) -> None:
    submitted(client)

    with failing_commits(client):
        answer = client.post("/jobs", json={}, headers={"Idempotency-Key": "k"})

    with work.database(client).reading() as session:
        stored = [session.scalar(select(func.count()).select_from(table)) for table in (Job, IdempotencyKey)]
    assert (problem(answer), stored) == ((503, "database-unavailable", []), [1, 0])
    assert (answer.headers["Retry-After"], "Location" in answer.headers) == ("2", False)


def test_a_request_that_failed_can_be_sent_again_with_its_key(client: TestClient) -> None:
    submitted(client)
    with failing_commits(client):
        client.post("/jobs", json={}, headers={"Idempotency-Key": "k"})

    answer = client.post("/jobs", json={}, headers={"Idempotency-Key": "k"})

    assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (201, False)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), [("PATCH", ""), ("POST", "/cancel"), ("DELETE", "")], ids=str)
def test_a_change_whose_commit_fails_is_not_made(client: TestClient, method: str, path: str) -> None:
    job = submitted(client)
    ended = client.post(f"/jobs/{submitted(client)['id']}/cancel").json()
    shown = {"DELETE": ended}.get(method, job)
    body = {"PATCH": {"label": "new"}}.get(method)

    with failing_commits(client):
        answer = client.request(method, f"/jobs/{shown['id']}{path}", json=body)

    assert problem(answer) == (503, "database-unavailable", [])
    assert client.get(f"/jobs/{shown['id']}").json() == shown


@pytest.fixture
def cut_off(client: TestClient, postgresql_url: str, database_url: str) -> TestClient:
    """The API after its database was taken away under it."""
    submitted(client)
    name = make_url(database_url).database
    take_away = {"sqlite": move_file_away, "postgresql": drop_database}[database_url.partition(":")[0]]
    take_away(client, postgresql_url, str(name))
    return client


def drop_database(_client: TestClient, server_url: str, name: str) -> None:
    engine = create_engine(
        make_url(server_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def move_file_away(client: TestClient, _server_url: str, name: str) -> None:
    """Put a folder where the file was: an open one would serve on."""
    work.database(client).engine.dispose()
    path = Path(name)
    path.rename(path.with_suffix(".away"))
    path.mkdir()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs"),
        ("POST", "/jobs"),
        ("GET", "/jobs/{id}"),
        ("GET", "/jobs/{id}?wait=1"),
        ("POST", "/jobs/{id}/cancel"),
        ("GET", "/jobs/{id}/metrics?format=csv"),
        ("GET", "/jobs/{id}/checkpoints"),
        ("GET", "/readyz"),
    ],
    ids=str,
)
def test_a_database_that_is_away_is_a_503(cut_off: TestClient, method: str, path: str) -> None:
    body: dict[str, Any] | None = {} if (method, path) == ("POST", "/jobs") else None

    answer = cut_off.request(method, path.replace("{id}", f"job_{'0' * 32}"), json=body)

    assert (problem(answer), answer.headers["Retry-After"]) == ((503, "database-unavailable", []), "30")
    assert answer.json()["detail"] in AWAY


def test_a_process_without_its_database_is_alive(cut_off: TestClient) -> None:
    answer = cut_off.get("/livez")

    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


def test_a_process_without_its_database_exports_what_it_counts_itself(cut_off: TestClient) -> None:
    cut_off.get("/readyz")

    lines = cut_off.get("/metrics").text.splitlines()

    assert {
        'normserve_http_requests_total{method="GET",route="/readyz",status="5xx"} 1.0',
        'normserve_http_refusals_total{code="database-unavailable"} 1.0',
        "normserve_database_up 0.0",
    } <= {*lines}
    assert not any(line.startswith("normserve_jobs") for line in lines)


def test_a_process_with_its_database_is_ready(client: TestClient) -> None:
    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["status"]) == (200, "ready")


@pytest.mark.parametrize(
    ("revision", "cure"),
    [("0000", "install the release that migrated it"), ("0001", "run normserve migrate")],
    ids=["newer", "older"],
)
def test_a_schema_of_another_release_is_not_ready(client: TestClient, revision: str, cure: str) -> None:
    with work.database(client).writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})

    answer = client.get("/readyz")

    assert problem(answer) == (503, "database-unavailable", [])
    assert cure in answer.json()["detail"]
