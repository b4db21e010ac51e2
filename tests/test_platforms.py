"""Systems other than Linux: what they lack is refused in one line, or done otherwise."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from service.work import local_engine
from tests.process import until

NOT_ON_WINDOWS = ("fcntl", "resource", "_posixshmem", "uvloop")


def test_windows_is_refused_in_one_line_without_what_it_lacks() -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({NOT_ON_WINDOWS})); "
        "from service.__main__ import main; sys.platform = 'win32'; main()"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    said = "normserve: Windows has no fork and no flock; run normserve in WSL 2, or on Linux or macOS\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


@pytest.fixture
def process() -> Iterator[psutil.Popen]:
    """A process that waits until its standard input ends."""
    with psutil.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        if process.is_running():
            process.kill()


def test_a_paused_process_is_noticed_without_proc(
    process: psutil.Popen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_files(path: object, *_: object, **__: object) -> None:
        raise FileNotFoundError(path)

    process.send_signal(signal.SIGSTOP)
    until(lambda: process.status() == psutil.STATUS_STOPPED, "the process to stop")
    monkeypatch.setattr("pathlib.Path.read_text", no_files)

    assert local_engine._is_paused(process.pid)


def test_a_process_that_runs_or_is_gone_is_not_paused(process: psutil.Popen) -> None:
    while_it_runs = local_engine._is_paused(process.pid)
    process.kill()
    process.wait()

    assert (while_it_runs, local_engine._is_paused(process.pid)) == (False, False)
