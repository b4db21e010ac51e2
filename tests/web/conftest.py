"""Chromium, which complains for us, and servers whose databases are filled once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from models.data.digits import Digits
from tests.api import planted, work
from tests.api.conftest import trained_file  # noqa: F401 # a fixture of several rooms
from tests.web.browser import chromium
from tests.web.looks import DESK
from tests.web.serving import Server

OURS = ("http://127.0.0.1:", "data:", "blob:")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what opens a page: `make quick` leaves it out."""
    for item in items:
        if "page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.page)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for all files of this folder: while it is there, asyncio.run does not work in this thread."""
    with chromium() as browser:
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=DESK, reduced_motion="reduce")  # type: ignore[arg-type]
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def complaints(context: BrowserContext) -> Iterator[list[str]]:
    """What goes wrong in any page of a test, which must be nothing; a test clears what it expects."""
    found: list[str] = []

    def note_console(message: ConsoleMessage) -> None:
        # Chromium reports violations of the policy there too.
        if message.type in {"error", "warning"}:
            found.append(f"{message.type}: {message.text}")

    def note_request(request: Request) -> None:
        if not request.url.startswith(OURS):
            found.append(f"request to {request.url}")

    context.on("console", note_console)
    context.on("weberror", lambda error: found.append(f"error: {error.error}"))
    context.on("request", note_request)
    yield found
    assert found == []


@pytest.fixture
def page(context: BrowserContext, complaints: list[str]) -> Page:  # noqa: ARG001 # it listens
    return context.new_page()


@pytest.fixture(scope="package")
def server(trained_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:  # noqa: F811
    """An api whose database has the trained job and a comparison with a diverged run; change nothing."""
    folder = tmp_path_factory.mktemp("pages")
    with Server(f"sqlite:///{shutil.copy(trained_file, folder / 'normserve.db')}", folder) as server:
        planted.comparison(server, accuracy, seeds=3, label="none or batch")
        yield server


def accuracy(arm: str, seed: int, _rate: float) -> float | None:
    """Test accuracies by arm and seed; the third run of batch diverges."""
    return None if (arm, seed) == ("batch", 2) else {"none": 0.9, "batch": 0.94}[arm] + seed / 1000


@pytest.fixture(scope="package")
def arms(migrated_sqlite: Path, digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An api with a comparison of five arms, of which the nets with seed 1 are trained, one served by a name.

    Delete whatever you add.
    """
    folder = tmp_path_factory.mktemp("arms")
    path = shutil.copy(migrated_sqlite, folder / "normserve.db")
    base = {"steps": 300, "eval_every": 300, "checkpoint_every": 300, "n_units": 32}
    with Server(f"sqlite:///{path}", folder) as server:
        created = server.post("/comparisons", json={"preset": "article", "seeds": 2, "base": base}).json()
        trained = [job for job in planted.waiting(server, created) if job["seed"] == 1]
        for job in trained:
            work.train(server, digits, job["id"])
        server.put("/models/digits", json={"job": trained[0]["id"]})
        yield server


@pytest.fixture
def draw(arms: Server, page: Page) -> Page:
    """The page Draw with these nets."""
    page.goto(f"{arms.address}/ui/draw")
    return page


@pytest.fixture
def empty(sqlite_url: str, tmp_path: Path) -> Iterator[Server]:
    """An api with an empty database of its own."""
    with Server(sqlite_url, tmp_path) as server:
        yield server
