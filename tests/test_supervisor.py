"""What the supervisor of a machine does when the machine has nothing to give."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.server import accept_many
from service.supervisor import BEGIN, Supervisor, inherited, wait_for_parent


def test_a_process_that_cannot_be_started_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    supervisor = Supervisor(["api"])
    [child] = supervisor.children

    supervisor._restart_if_dead(child)

    assert (child.process, child.failures) == (None, 1)
    assert child.next_start > time.monotonic()


def test_an_api_that_starts_makes_no_other_wait_in_accept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(inherited, "listeners", [])
    monkeypatch.setattr(sys, "stdin", theirs)
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as shared:
        shared.setblocking(False)
        socket.send_fds(ours, [BEGIN + f"0 {tmp_path}".encode()], [shared.fileno()])

        wait_for_parent()
        copies = accept_many(inherited.listeners)

        assert len(copies) > 1
        assert not os.get_blocking(shared.fileno())
        for copy in copies:
            copy.close()


CHILD = """
import signal, time
from service.supervisor import StopSignals, end_with_parent
signals = StopSignals()
signal.signal(signal.SIGTERM, lambda *_: print("second" if signals.is_second() else "not second", flush=True))
end_with_parent()
print("ready", flush=True)
while True:
    time.sleep(1)
"""


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that prints what it takes each signal to stop for."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", CHILD], stdin=pipe, stdout=pipe) as process:
        assert said(process) == b"ready"
        yield process
        process.kill()


def said(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_second_signal_is_one_however_soon_it_comes(child: subprocess.Popen[bytes]) -> None:
    heard = []
    for _ in range(2):
        child.send_signal(signal.SIGTERM)
        heard.append(said(child))

    assert heard == [b"not second", b"second"]


def test_a_stop_that_the_parent_passes_on_is_no_second_signal(child: subprocess.Popen[bytes]) -> None:
    """However late the parent passes it on: the machine may be busy."""
    assert child.stdin is not None

    child.send_signal(signal.SIGTERM)
    heard = [said(child)]
    child.stdin.close()
    heard.append(said(child))

    assert heard == [b"not second", b"not second"]


def test_a_child_that_starts_early_ends_if_its_parent_cannot_go_on() -> None:
    supervisor = Supervisor(["api"])

    with pytest.raises(OSError, match="the port is taken"), supervisor.starting("api"):
        [child] = supervisor.children
        raise OSError("the port is taken")

    assert child.process is not None
    assert child.process.poll() is not None


def test_a_child_that_waits_ends_when_its_parent_is_gone() -> None:
    command = [sys.executable, "-m", "service", "api", "--end-with-parent"]

    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        done = subprocess.run(command, stdin=theirs.fileno(), capture_output=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
