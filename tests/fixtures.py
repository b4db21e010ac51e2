"""Fixtures that more than one room needs."""

import gc
import os
import resource
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import URL, create_engine, make_url, text

from models.data import originals
from models.data.digits import Digits, load
from models.nets.determinism import fix_product_kernels
from models.training.loop import prepare_thread
from service.store import schema
from service.store.database import Database
from tests import marked, postgresql
from tests.arms import BANDS, article, trained_arm  # noqa: F401 # fixtures of several rooms
from tests.process import Service
from tests.runs import KEPT, evaluated_less
from tests.schedule import unit_of

fix_product_kernels()  # before the first product of this process
marked.watch()
gc.disable()  # until all tests are collected: what is imported stays
# Its default draws each traceback with colours and the values of variables, which takes a tenth of a second.
structlog.configure([structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])

Figure = Callable[[str, object, str], None]

LOG_BYTES = 20_000
DESCRIPTORS = 4_096


class _Compiled(dict[Any, Any]):
    """Compiled statements by dialect and statement, where SQLAlchemy has them by engine and statement."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((type(key[0]), *key[1:]), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__((type(key[0]), *key[1:]), compiled)


@pytest.fixture(scope="session", autouse=True)
def _compile_once() -> Iterator[None]:
    """Let the databases of all tests share compiled statements: a process of the service has one."""
    compiled = _Compiled()
    open_database = Database.__init__

    def open_with_compiled(database: Database, url: str | URL) -> None:
        open_database(database, url)
        for engine in (database.engine, database._writers):
            engine.update_execution_options(compiled_cache=compiled)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "__init__", open_with_compiled)
        yield


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Have a figure printed at the end of the test run, beside its limit."""

    def print_later(what: str, found: object, limit: str) -> None:
        record_property("figure", f"{what}: {found} (limit {limit})")

    return print_later


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process have a socket for each of many clients."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if most == resource.RLIM_INFINITY else min(DESCRIPTORS, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before, wanted), most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


SHARED = pytest.StashKey[Service]()
STARTS_SERVICE = {"service_data", "compose"}
TRAIN_LONG = {"article", "trained_arm"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make quick` leaves out."""
    for item in items:
        assert isinstance(item, pytest.Function)
        if not STARTS_SERVICE.isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.service)
        if "postgresql_url" in item.fixturenames or "postgresql" in item.name:
            item.add_marker(pytest.mark.postgresql)
        if not TRAIN_LONG.isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Leave what was imported and collected, some million objects, out of later garbage collections."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _keep_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep undisturbed runs where the parallel processes of this test run share them, and no other run."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "undisturbed"
    folder.mkdir(exist_ok=True)
    os.environ[KEPT] = str(folder)


@pytest.fixture(scope="session", autouse=True)
def _unpack_once() -> Iterator[None]:
    """Let the apps of all tests share the images that come with the code: each unpacks them for itself."""
    unpack, vendored = originals.unpack_vendored, originals.VENDORED
    kept = cache(unpack)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            originals, "unpack_vendored", lambda: kept() if vendored == originals.VENDORED else unpack()
        )
        yield


@pytest.fixture(scope="session")
def mnist_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that the parallel test processes share."""
    return tmp_path_factory.getbasetemp().parent / "mnist"


@pytest.fixture(scope="session")
def mnist(mnist_cache: Path) -> Digits:
    """All of MNIST, for tests that compare accuracies."""
    prepare_thread()
    return load("mnist", mnist_cache)


@pytest.fixture(scope="session")
def digits(mnist: Digits) -> Digits:
    return evaluated_less(mnist)


@pytest.fixture(scope="session")
def bands() -> dict[str, Any]:
    return BANDS


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    with postgresql.server() as url:
        database = Database(_named(url, "migrated", create=True))
        schema.upgrade(database.engine)
        database.close()
        yield url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    database = Database(f"sqlite:///{path}")
    schema.upgrade(database.engine)
    database.close()
    return path


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'normserve.db')}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database of each kind."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return fresh_database(request.getfixturevalue("postgresql_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def unmigrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'normserve.db'}"
    return empty_database(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def another_url(database_url: str, request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes more databases of the same kind: a file that is not there yet, or a fresh one on the server."""
    if database_url.startswith("sqlite"):
        return lambda: f"{database_url}.{uuid.uuid4().hex}"
    return lambda: fresh_database(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def postgresql_database(postgresql_url: str) -> Iterator[Database]:
    database = Database(fresh_database(postgresql_url))
    yield database
    database.close()


def empty_database(server_url: str) -> str:
    """The URL of a new database on this server, without a schema."""
    return _named(server_url, f"test_{uuid.uuid4().hex}", create=True)


def fresh_database(server_url: str) -> str:
    """The URL of a new, migrated database on this server."""
    return _named(server_url, f"test_{uuid.uuid4().hex}", create=True, template="migrated")


def _named(server_url: str, name: str, create: bool = False, template: str = "template0") -> str:
    """The URL of a database on this server, made first if asked for."""
    if create:
        engine = create_engine(
            make_url(server_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            # Copying the files takes the server less time than writing each page to its log.
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
        engine.dispose()
    return server_url.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def service_data(mnist: Digits, mnist_cache: Path) -> Path:  # noqa: ARG001 # loading it fills the folder
    """The folder whose data set services copy: a test that uses it, however indirectly, starts one."""
    return mnist_cache


@pytest.fixture(scope="session")
def shared_service(
    service_data: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("service"), service_data)
    service.start()
    request.session.stash[SHARED] = service
    yield service
    service.close()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Stop the service that tests share after the last test of a unit: an idle one takes time, too."""
    service = item.session.stash.get(SHARED, None)
    if service and nextitem and unit_of(nextitem.nodeid) != unit_of(item.nodeid):
        service.stop()


@pytest.fixture(scope="session")
def only_service(shared_service: Service) -> Service:
    """The service of a file: this one, unless the file has its own."""
    return shared_service


@pytest.fixture
def service(only_service: Service) -> Iterator[Service]:
    """The service that tests share; whatever one has killed or held is in order for the next.

    A test that fails shows the end of the log.
    """
    only_service.recover()
    yield only_service
    sys.stdout.write(only_service.said()[-LOG_BYTES:].decode(errors="replace"))
