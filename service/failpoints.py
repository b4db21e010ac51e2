"""Places where a test makes a process die, fail or wait; without NORMSERVE_FAILPOINTS they do nothing.

Each fires once, whatever processes reach it: who makes its file in the folder fires it.
"""

import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from service.errors import DatabaseUnavailable

NAMES = (
    "before-claim",
    "after-claim",
    "before-span-commit",
    "in-span-commit",
    "after-span-commit",
    "before-end",
    "in-cancel",
    "api-before-commit",
    "api-after-commit",
    "in-migration",
)
FORM = re.compile(rf"(?P<name>{'|'.join(NAMES)})=(?P<action>kill|raise|sleep)(@(?P<time>[1-9]\d{{0,3}}))?")
SLEEP_SECONDS = 0.3


@dataclass
class _Armed:
    action: str
    waiting: int
    """How often it must still be reached in this process."""
    marker: Path


_armed: dict[str, _Armed] = {}


def arm(failpoints: str, folder: Path) -> None:
    """Arm `name=kill|raise|sleep[@n]`, separated by commas, and disarm all others.

    One with `@n` fires at the n-th time that a process reaches it. `raise` raises DatabaseUnavailable, as a
    database that is away does. What has fired has left a file of its name in the folder.
    """
    _armed.clear()
    for found in parse(failpoints):
        _armed[found["name"]] = _Armed(found["action"], int(found["time"] or 1), folder / found["name"])
        folder.mkdir(parents=True, exist_ok=True)


def parse(failpoints: str) -> list[re.Match[str]]:
    """Take what is to be armed apart; raise ValueError where it has not the form or the name of one."""
    found = [FORM.fullmatch(failpoint) for failpoint in failpoints.split(",") if failpoint]
    matches = [match for match in found if match]
    if len(matches) < len(found):
        raise ValueError(f"a failpoint is name=kill|raise|sleep[@n], its name one of {', '.join(NAMES)}")
    return matches


def reach(name: str) -> None:
    """Do what this place is armed for, which outside of tests is nothing."""
    if name in _armed:
        _fire(_armed[name])


def _fire(armed: _Armed) -> None:
    armed.waiting -= 1
    if armed.waiting:
        return
    try:
        os.close(os.open(armed.marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    if armed.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if armed.action == "raise":
        raise DatabaseUnavailable("a failpoint was reached")
    time.sleep(SLEEP_SECONDS)
