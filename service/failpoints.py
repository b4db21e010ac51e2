"""Places where a test makes a process die, fail or wait; without NORMSERVE_FAILPOINTS they do nothing.

Each of `kill`, `raise` and `sleep` fires once, whatever processes reach it: who makes its file in the folder
fires it. `hold` fires as often as a test asks for it.
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
    "in-sweep",
)
ACTIONS = ("kill", "raise", "sleep", "hold")
FORM = re.compile(rf"(?P<name>{'|'.join(NAMES)})=(?P<action>{'|'.join(ACTIONS)})(@(?P<nth>[1-9]\d{{0,3}}))?")
SLEEP_SECONDS = 0.3
LOOK_SECONDS = 0.01  # between two looks whether one that is held may go on


@dataclass
class _Armed:
    action: str
    nth: int
    waiting: int
    """How often it must still be reached in this process."""
    marker: Path
    held_by: int = 0
    """The last file that asked to hold, by the time of its making."""


_armed: dict[str, _Armed] = {}


def arm(failpoints: str, folder: Path) -> None:
    """Arm `name=kill|raise|sleep|hold[@n]`, separated by commas, and disarm all others.

    One with `@n` fires at the n-th time that a process reaches it. `raise` raises DatabaseUnavailable, as a
    database that is away does. What has fired has left a file of its name in the folder.

    `hold` fires while the folder has a file `name.hold`: who reaches the place for the n-th time since that
    file was made waits until it is gone, and has a file `name.<process id>` there meanwhile.
    """
    _armed.clear()
    for found in parse(failpoints):
        nth = int(found["nth"] or 1)
        _armed[found["name"]] = _Armed(found["action"], nth, nth, folder / found["name"])
        folder.mkdir(parents=True, exist_ok=True)


def parse(failpoints: str) -> list[re.Match[str]]:
    """Take what is to be armed apart; raise ValueError where it has not the form or the name of one."""
    found = [FORM.fullmatch(failpoint) for failpoint in failpoints.split(",") if failpoint]
    matches = [match for match in found if match]
    if len(matches) < len(found):
        raise ValueError(f"a failpoint is name={'|'.join(ACTIONS)}[@n], its name one of {', '.join(NAMES)}")
    return matches


def reach(name: str) -> None:
    """Do what this place is armed for, which outside of tests is nothing."""
    if name in _armed:
        armed = _armed[name]
        (_hold if armed.action == "hold" else _fire)(armed)


def _hold(armed: _Armed) -> None:
    gate = armed.marker.with_suffix(".hold")
    asked = _made_at(gate)
    if asked != armed.held_by:
        armed.held_by, armed.waiting = asked, armed.nth
    armed.waiting -= 1
    if asked and armed.waiting == 0:
        here = armed.marker.with_suffix(f".{os.getpid()}")
        here.touch()
        while _made_at(gate) == asked:
            time.sleep(LOOK_SECONDS)  # only the file shows that it may go on
        here.unlink()


def _made_at(gate: Path) -> int:
    """Return when a file was made in nanoseconds, or 0 where there is none."""
    try:
        return gate.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


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
