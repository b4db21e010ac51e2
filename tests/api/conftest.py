"""The API on fresh databases, and jobs that were really trained."""

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from models.data.digits import Digits
from service.app import create_app
from service.settings import Settings
from tests.api import work
from tests.api.streams import LeaveUnended

with warnings.catch_warnings():
    # Starlette asks for httpx2, which the locked environment does not have.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

NAMED: Any = {"hosts": "testserver"}
"""Settings of an api for the clients of Starlette, which call it so."""


@contextmanager
def serving(url: str, folder: Path, **settings: Any) -> Iterator[TestClient]:
    app = create_app(Settings(database_url=url, data_dir=folder, **NAMED, **settings))
    app.add_middleware(LeaveUnended)
    with TestClient(app) as client:
        yield client


@pytest.fixture
def client(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    """The API on a fresh database of each kind."""
    with serving(database_url, tmp_path) as client:
        yield client


@pytest.fixture
def sqlite_client(sqlite_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with serving(sqlite_url, tmp_path) as client:
        yield client


@pytest.fixture
def finished(client: TestClient, digits: Digits) -> dict[str, Any]:
    """A short job that has succeeded, on a fresh database of each kind."""
    return work.trained(client, digits, norm="weight", init=True, **work.SHORT)


@pytest.fixture(scope="session")
def trained_file(migrated_sqlite: Path, digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with one job: the article's defaults, weight norm with init and telemetry."""
    folder = tmp_path_factory.mktemp("trained")
    path = Path(shutil.copy(migrated_sqlite, folder / "normserve.db"))
    with serving(f"sqlite:///{path}", folder) as client:
        work.trained(client, digits, norm="weight", init=True, telemetry=True)
    return path


@pytest.fixture(scope="session")
def trained(trained_file: Path) -> Iterator[TestClient]:
    """The API on that file: for tests that change nothing."""
    with serving(f"sqlite:///{trained_file}", trained_file.parent) as client:
        yield client


@pytest.fixture(scope="session")
def job(trained: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = trained.get("/jobs").json()["items"][0]
    return found


@pytest.fixture
def copied(trained_file: Path, tmp_path: Path) -> Iterator[TestClient]:
    """The API on a copy of that file: for tests that change things."""
    path = shutil.copy(trained_file, tmp_path / "copied.db")
    with serving(f"sqlite:///{path}", tmp_path) as client:
        yield client
