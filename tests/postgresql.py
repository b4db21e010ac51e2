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

SETTINGS = ("fsync=off", "max_connections=200")
AUTHENTICATION = ("--auth-local=trust", "--auth-host=scram-sha-256")


@contextmanager
def server(listen: str = "", port: int = 5432) -> Iterator[str]:
    """Yield the URL of a running server's own database; `{url}` of others differs in its path.

    On an address, where it is told to `listen` on one, it asks for passwords.
    """
    # The socket's path must stay under 107 characters, and its folder open to the server's user.
    folder = Path(tempfile.mkdtemp(prefix="normserve-pg-"))
    user = _server_user()
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    try:
        _run("initdb", user, "-D", data, "-U", "postgres", *AUTHENTICATION, "--no-sync", "--encoding=UTF8")
        settings = (*SETTINGS, f"listen_addresses={listen}", f"port={port}")
        options = " ".join(f"-c {setting}" for setting in settings)
        _run("pg_ctl", user, "-D", data, "-w", "-l", folder / "log", "-o", f"{options} -k {folder}", "start")
        yield f"postgresql://postgres@/postgres?host={folder}&port={port}"
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
