"""A PostgreSQL server for one test process: started on a socket of its own, gone with it."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from glob import glob
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SETTINGS = ("fsync=off", "max_connections=200")
AUTHENTICATION = ("--auth-local=trust", "--auth-host=scram-sha-256")


@contextmanager
def server(listen: str = "", port: int = 5432, on: Sequence[str] = ()) -> Iterator[str]:
    """Yield the URL of a running server's own database; `{url}` of others differs in its path.

    On an address, where it is told to `listen` on one, it asks for passwords. `on` begins its commands, to
    run it on another host.
    """
    # The socket's path must stay under 107 characters, and its folder open to the server's user.
    folder = Path(tempfile.mkdtemp(prefix="normserve-pg-"))
    user = server_user()
    if user:
        shutil.chown(folder, user)
    run = partial(_run, on=on, user=user)
    data = folder / "data"
    settings = (*SETTINGS, f"listen_addresses={listen}", f"port={port}", f"unix_socket_directories={folder}")
    try:
        run("initdb", "-D", data, "-U", "postgres", *AUTHENTICATION, "--no-sync", "--encoding=UTF8")
        with (data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in (each.split("=") for each in settings))
        with (data / "pg_hba.conf").open("a") as hba:
            hba.write("host all all samenet scram-sha-256\n")
        run("pg_ctl", "-D", data, "-w", "-l", folder / "log", "start")
        yield f"postgresql://postgres@/postgres?host={folder}&port={port}"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def restart(server_url: str, mode: str) -> None:
    """Stop a server in this mode, `fast` or `immediate`, and start it again; returns when it accepts."""
    folder = Path(parse_qs(urlsplit(server_url).query)["host"][0])
    place = ("-D", folder / "data", "-l", folder / "log")
    _run("pg_ctl", *place, "-w", "-m", mode, "restart", user=server_user())


def server_user() -> str | None:
    """PostgreSQL refuses to run as root: its package has made a user for it."""
    if os.getuid() != 0:
        return None
    return next(name for name in ("postgres", "nobody") if _exists(name))


def _exists(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


def _run(program: str, *arguments: str | Path, user: str | None, on: Sequence[str] = ()) -> None:
    found = glob(f"/usr/lib/postgresql/*/bin/{program}") or [shutil.which(program) or ""]
    if not found[-1]:
        raise FileNotFoundError(f"{program} is missing: make test installs PostgreSQL or says how")
    as_user = ("runuser", "-u", user, "--") if user else ()
    subprocess.run([*on, *as_user, found[-1], *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/")
