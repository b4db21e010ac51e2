"""A PostgreSQL server for one test process: started on a socket of its own, gone with it."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path

SETTINGS = ("listen_addresses=", "fsync=off", "max_connections=200")


@contextmanager
def server() -> Iterator[str]:
    """Yield the URL of a running server's own database; `{url}` of others differs in its path."""
    # The socket's path must stay under 107 characters, and its folder open to the server's user.
    folder = Path(tempfile.mkdtemp(prefix="normserve-pg-"))
    user = _server_user()
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    try:
        _run("initdb", user, "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8")
        options = " ".join(f"-c {setting}" for setting in SETTINGS)
        _run("pg_ctl", user, "-D", data, "-w", "-l", folder / "log", "-o", f"{options} -k {folder}", "start")
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        _run("pg_ctl", user, "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def _server_user() -> str | None:
    """PostgreSQL refuses to run as root: its package has made a user for it."""
    if os.getuid() != 0:
        return None
    return next(name for name in ("postgres", "nobody") if _exists(name))


def _exists(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


def _run(program: str, user: str | None, *arguments: str | Path) -> None:
    found = glob(f"/usr/lib/postgresql/*/bin/{program}") or [shutil.which(program) or ""]
    if not found[-1]:
        raise FileNotFoundError(f"{program} is missing: make test installs PostgreSQL or says how")
    subprocess.run([found[-1], *arguments], user=user, check=True, stdout=subprocess.DEVNULL, cwd="/")
