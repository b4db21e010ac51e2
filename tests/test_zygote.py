"""Commands that are forked do what they do in an interpreter of their own."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.process import completed, start

pytestmark = pytest.mark.slow

NOT_A_PORT = {"NORMSERVE_PORT": "http"}
NO_SERVER = {"NORMSERVE_DATABASE_URL": "postgresql://me@127.0.0.1:1/base"}


@pytest.mark.parametrize(
    ("arguments", "settings", "code"),
    [
        (["--version"], {}, 0),
        (["migrate"], {}, 0),
        (["keys", "list"], {}, 1),
        (["migrate"], NO_SERVER, 1),
        (["up"], NOT_A_PORT, 2),
    ],
    ids=str,
)
def test_a_forked_command_ends_and_says_what_another_does(
    arguments: list[str], settings: dict[str, str], code: int, tmp_path: Path
) -> None:
    places = [tmp_path / "forked", tmp_path / "another"]
    forked, another = ({**os.environ, **settings, "NORMSERVE_DATA_DIR": str(place)} for place in places)

    found = completed(arguments, forked)

    command = [sys.executable, "-m", "service", *arguments]
    expected = subprocess.run(command, env=another, capture_output=True, text=True, check=False)
    assert (found.returncode, expected.returncode) == (code, code)
    assert (found.stdout, found.stderr.replace(str(places[0]), str(places[1]))) == (
        expected.stdout,
        expected.stderr,
    )


def test_a_forked_command_is_a_child_as_soon_as_it_is_known(tmp_path: Path) -> None:
    """Who waits for it earlier would wait for ever."""
    with (tmp_path / "log").open("wb") as log:
        processes = [start(["--version"], os.environ, log) for _ in range(10)]
        parents = {process.ppid() for process in processes}

    assert parents == {os.getpid()}
    assert [process.wait() for process in processes] == [0] * 10


def test_a_forked_command_reads_the_sitecustomize_that_its_path_leads_to(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('read first')")
    environment = {**os.environ, "NORMSERVE_DATA_DIR": str(tmp_path), "PYTHONPATH": str(tmp_path)}

    with (tmp_path / "log").open("wb") as log:
        process = start(["migrate"], environment, log)

    assert not isinstance(process, psutil.Popen)
    assert process.wait() == 0
    assert (tmp_path / "log").read_text().startswith("read first\n")


def test_a_command_with_another_environment_is_not_forked(tmp_path: Path) -> None:
    environment = {**os.environ, "NORMSERVE_DATA_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}

    with (tmp_path / "log").open("wb") as log:
        process = start(["migrate"], environment, log)

    assert isinstance(process, psutil.Popen)
    assert process.wait() == 0
