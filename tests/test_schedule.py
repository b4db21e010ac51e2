"""Tests that share something run in one process, and the longest units start first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.schedule import ARMS, PAGES, SHARED_SERVICE, UNITS, WAITING_UNITS, place, unit_of

ROOT = Path(__file__).parents[1]
OTHERS = tuple(f"tests/test_{number}.py" for number in range(8))
TESTS = """
import os
import pytest

@pytest.mark.parametrize("number", range(4))
def test_it(number):
    with open("ran", "a") as ran:
        ran.write(f"{__file__} {os.environ['PYTEST_XDIST_WORKER']}\\n")
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Run tests in files of these names with our options; return the file and the process of each test."""
    folder = tmp_path_factory.mktemp("scheduled")
    for path in (*SHARED_SERVICE, *ARMS, *OTHERS):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(TESTS)
    options = ["--rootdir", str(folder), "-c", str(ROOT / "pyproject.toml"), "--import-mode", "importlib"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-p", "tests.schedule", "-p", "no:cacheprovider", "tests"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in (folder / "ran").read_text().splitlines()]
    return [(str(Path(file).relative_to(folder)), process) for file, process in lines]


def processes_of(ran: list[tuple[str, str]], unit: tuple[str, ...]) -> set[str]:
    return {process for file, process in ran if file in unit}


@pytest.mark.slow
def test_the_files_of_a_unit_run_in_one_process_and_all_processes_work(ran: list[tuple[str, str]]) -> None:
    units = [SHARED_SERVICE, ARMS, *((other,) for other in OTHERS)]

    assert len(ran) == 4 * len((*SHARED_SERVICE, *ARMS, *OTHERS))
    assert [len(processes_of(ran, unit)) for unit in units] == [1] * len(units)
    assert {process for _, process in ran} == {"gw0", "gw1", "gw2"}


@pytest.mark.slow
def test_the_longest_units_start_first(ran: list[tuple[str, str]]) -> None:
    firsts = {process: file for file, process in reversed(ran)}.values()

    assert [len({*firsts} & {*unit}) for unit in (SHARED_SERVICE, ARMS)] == [1, 1]


def test_a_process_more_than_cores_leaves_services_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    units = [OTHERS[0], ARMS[0], PAGES, SHARED_SERVICE[0]]

    assert sorted(units, key=lambda unit: place(unit, "gw1")) == [
        PAGES,
        SHARED_SERVICE[0],
        ARMS[0],
        OTHERS[0],
    ]
    assert sorted(units, key=lambda unit: place(unit, "gw2")) == [
        ARMS[0],
        OTHERS[0],
        PAGES,
        SHARED_SERVICE[0],
    ]


def test_our_scheduler_is_in_use(request: pytest.FixtureRequest) -> None:
    hook = request.config.hook.pytest_xdist_make_scheduler

    assert "tests.schedule" in [found.function.__module__ for found in hook.get_hookimpls()]


def test_the_service_that_tests_share_is_started_in_two_units_only(request: pytest.FixtureRequest) -> None:
    users = {
        unit_of(item.nodeid)
        for item in request.session.items
        if "shared_service" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("long")
    }

    assert users <= {SHARED_SERVICE[0], PAGES}


def test_units_that_wait_for_services_are_listed(request: pytest.FixtureRequest) -> None:
    """The process that fills has them last."""
    waiting = {
        unit_of(item.nodeid)
        for item in request.session.items
        if item.get_closest_marker("service") and not item.get_closest_marker("long")
    }

    assert waiting <= {unit[0] for unit in WAITING_UNITS}


@pytest.mark.parametrize("path", [path for unit in UNITS for path in unit])
def test_a_file_that_is_listed_exists(path: str) -> None:
    assert (ROOT / path).exists()
