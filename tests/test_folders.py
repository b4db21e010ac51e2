"""A folder may have any name: what it holds is used, and nothing beside it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.data.digits import Digits
from service.settings import Settings
from service.store import schema
from service.store.backups import back_up, restore
from service.store.database import Database
from tests.api.conftest import serving
from tests.pages import ROOT
from tests.process import Service
from tests.runs import SMALL, outcome, undisturbed
from tests.store.rows import ids_of, submit

NAMES = ["why?", "why?cache=shared", "%31", "100%", "a#b", "two words", "größe", "at@host:1", "'quoted\""]
WORST = "why? %31#100% größe"


@pytest.fixture(params=NAMES)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    found = tmp_path / str(request.param)
    found.mkdir()
    return found


@pytest.fixture
def database(folder: Path) -> Iterator[Database]:
    """The database of a service whose data folder this is."""
    database = Database(Settings(data_dir=folder).database)
    schema.upgrade(database.engine)
    yield database
    database.close()


@pytest.mark.slow
def test_the_database_is_in_the_very_folder(database: Database, folder: Path, tmp_path: Path) -> None:
    submit(database)

    files = {path.name for path in folder.iterdir()} - {"normserve.db-wal", "normserve.db-shm"}
    assert files == {"normserve.db", "normserve.db.gate"}
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.slow
def test_the_api_stores_its_jobs_there(database: Database, folder: Path) -> None:
    with serving("", folder) as client:
        answer = client.post("/jobs", json={})

    assert ids_of(database) == {answer.json()["id"]}


@pytest.mark.slow
def test_a_backup_is_made_and_restored_there(database: Database, folder: Path) -> None:
    job, file = submit(database), folder / "backup"
    back_up(database, file)
    submit(database)

    assert restore(database, file, overwrite=True) == []

    assert ids_of(database) == {job.id}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["100%", "%(here)s", "a:b", "größe"])
def test_a_release_in_any_folder_migrates(name: str, tmp_path: Path) -> None:
    release, data = tmp_path / name, tmp_path / "data"
    release.mkdir()
    for package in ("analysis", "migrations", "models", "service"):
        (release / package).symlink_to(ROOT / package)

    command = [sys.executable, "-m", "service", "migrate"]
    environment = {"NORMSERVE_DATA_DIR": str(data)}
    done = subprocess.run(command, env=environment, cwd=release, capture_output=True, text=True, check=False)

    database = Database(Settings(data_dir=data).database)
    with database.engine.connect() as connection:
        found = schema.current(connection)
    database.close()
    assert (done.returncode, done.stderr, found) == (0, "", schema.newest())


@pytest.fixture
def service(service_data: Path, tmp_path: Path) -> Iterator[Service]:
    folder = tmp_path / WORST
    folder.mkdir()
    service = Service(folder, service_data)
    service.start()
    yield service
    service.close()


def test_a_service_in_any_folder_trains(service: Service, digits: Digits, tmp_path: Path) -> None:
    job_id = service.submit(**SMALL)

    assert outcome(service, job_id) == undisturbed(digits, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == [WORST]
