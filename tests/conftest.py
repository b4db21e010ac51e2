"""How pytest runs the tests; `tests.fixtures` has what they use."""

import os
import shutil
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.schedule import (
    give_way,
    only_schedules,
    pytest_xdist_make_scheduler,  # noqa: F401 # pytest calls the hook
)

IN_MEMORY = Path("/dev/shm")  # noqa: S108 # Linux keeps this folder in memory
ROOM_BYTES = 8 * 2**30  # a whole run needs 2 GB


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Put temporary folders in memory where there is room: a commit on a disk waits for it.

    A folder that TMPDIR names is used as it is. The process that sends tests to others does without the
    fixtures: what they import takes four seconds, in which the others would wait.
    """
    give_way()
    if "TMPDIR" not in os.environ and _has_room(IN_MEMORY):
        os.environ["TMPDIR"] = str(IN_MEMORY)
        tempfile.tempdir = None
    if not only_schedules(config):
        config.pluginmanager.import_plugin("tests.fixtures")


def _has_room(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    return min(shutil.disk_usage(folder).free, psutil.virtual_memory().available) >= ROOM_BYTES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
    for report in reports:
        for name, value in report.user_properties:
            if name == "figure" and report.when == "call":
                terminalreporter.write_line(value)
