"""Certificates: made once, never half, never over others."""

import os
import ssl
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from service.work import certificates
from service.work.certificates import missing, write_certificates
from tests.process import completed

pytestmark = pytest.mark.slow


def run(folder: Path, *options: str) -> tuple[int, str]:
    done = completed(["certificates", *options, folder], os.environ)
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

    assert (code, said.count("\n"), "exists; delete the folder to make new" in said) == (1, 1, True)
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

    assert (code, "exists" in said) == (1, True)


@pytest.mark.parametrize("steps", [1, 7, 8, 13])
def test_what_an_interrupted_call_has_left_is_made_anew(tmp_path: Path, steps: int) -> None:
    """Seven drafts and seven renames: whichever of them was the last, the next call makes all."""
    left = interrupt(tmp_path, steps)

    code, said = run(tmp_path, "--if-missing")

    assert (len(left), code, said) == (min(steps, 7), 0, "")
    assert missing(tmp_path) == []
    assert {*contents(tmp_path).values()}.isdisjoint(left.values())


def interrupt(folder: Path, steps: int) -> dict[str, bytes]:
    """Let a call die after so many files were written or renamed; answer what it left."""
    script = (
        "import os, sys; from pathlib import Path; from service.work.certificates import write_certificates\n"
        "left = int(sys.argv[2])\n"
        "def count(event, arguments):\n"
        "    global left\n"
        "    if event == 'os.rename' or (event == 'open' and str(arguments[0]).endswith('.new')):\n"
        "        left -= 1\n"
        "        if left < 0: os._exit(9)\n"
        "sys.addaudithook(count)\n"
        "write_certificates(Path(sys.argv[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder), str(steps)], check=False)
    assert done.returncode == 9
    return contents(folder)


@pytest.mark.parametrize("role", certificates.ROLES)
def test_they_hold_before_the_strictest_python(tmp_path: Path, role: str) -> None:
    write_certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(tmp_path / "ca.pem"))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    context.load_cert_chain(tmp_path / f"{role}.pem", tmp_path / f"{role}-key.pem")
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(tmp_path / f"{role}.pem", tmp_path / f"{role}-key.pem")

    assert shake_hands(context, shown) == f"normserve {role}"


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> str:
    """Connect in memory; answer the name that the server has shown."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)]
    for end in ends * 3:
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    certificate = ends[0].getpeercert()
    assert certificate is not None
    names: Any = certificate["subject"]
    return str(dict(pair for (pair,) in names)["commonName"])
