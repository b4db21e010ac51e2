"""Certificates: made once, never half, never over others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.work.certificates import missing, write_certificates


def run(folder: Path, *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "service", "certificates", *options, str(folder)]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    written = write_certificates(tmp_path)

    assert missing(tmp_path) == []
    assert {path.stat().st_mode & 0o777 for path in written if "key" in path.name} == {0o600}


@pytest.mark.parametrize("absent", ["ca.pem", "worker-key.pem"])
def test_a_folder_that_has_some_is_left_as_it_is(tmp_path: Path, absent: str) -> None:
    write_certificates(tmp_path)
    (tmp_path / absent).unlink()
    before = contents(tmp_path)

    code, said = run(tmp_path, "--if-missing")

    assert (code, said.count("\n"), "already; remove all of that folder" in said) == (1, 1, True)
    assert contents(tmp_path) == before


def test_they_are_made_where_they_are_missing_and_then_kept(tmp_path: Path) -> None:
    first = run(tmp_path / "new", "--if-missing")
    before = contents(tmp_path / "new")

    second = run(tmp_path / "new", "--if-missing")

    assert (first, second) == ((0, ""), (0, ""))
    assert contents(tmp_path / "new") == before


def test_without_being_told_so_nothing_is_kept_in_silence(tmp_path: Path) -> None:
    write_certificates(tmp_path)

    code, said = run(tmp_path)

    assert (code, "already" in said) == (1, True)
