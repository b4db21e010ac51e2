"""What the supervisor of a machine does when the machine has nothing to give."""

import subprocess
import sys
import time

import pytest

from service.supervisor import StopSignals, Supervisor


def test_a_process_that_cannot_be_started_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    supervisor = Supervisor(["api"])
    [child] = supervisor.children

    supervisor._restart_if_dead(child)

    assert (child.process, child.failures) == (None, 1)
    assert child.next_start > time.monotonic()


def test_a_signal_is_a_second_one_only_some_time_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    signals, heard = StopSignals(), []

    for seconds in (0.0, 0.5, 1.5):
        now[0] = 100.0 + seconds
        heard.append(signals.is_second())

    assert heard == [False, False, True]


def test_a_child_that_starts_early_ends_if_its_parent_cannot_go_on() -> None:
    supervisor = Supervisor(["api"])

    with pytest.raises(OSError, match="the port is taken"), supervisor.starting("api"):
        [child] = supervisor.children
        raise OSError("the port is taken")

    assert child.process is not None
    assert child.process.poll() is not None


def test_a_child_that_waits_ends_when_its_parent_is_gone() -> None:
    command = [sys.executable, "-m", "service", "api", "--end-with-parent"]

    done = subprocess.run(command, input=b"", capture_output=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
