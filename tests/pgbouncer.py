"""A PgBouncer before a PostgreSQL server, on a port of this machine."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.postgresql import server_user
from tests.process import free_port, until

CONFIGURATION = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
logfile = {folder}/log
pool_mode = {pool_mode}
max_client_conn = 200
default_pool_size = 50
{more}
"""


@contextmanager
def pooler(server_url: str, pool_mode: str, more: str = "") -> Iterator[str]:
    """Yield the URL of the server's own database through a pooler; `{url}` of others differs in its path."""
    folder = Path(tempfile.mkdtemp(prefix="normserve-pool-"))
    where = parse_qs(urlsplit(server_url).query)
    port = free_port()
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "ini").write_text(
        CONFIGURATION.format(
            host=where["host"][0],
            port=where["port"][0],
            listen_port=port,
            folder=folder,
            pool_mode=pool_mode,
            more=more,
        )
    )
    user = server_user()  # it refuses to run as root, too
    if user:
        shutil.chown(folder, user)
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        raise FileNotFoundError("pgbouncer is missing: make test installs it or says how")
    process = subprocess.Popen([program, "-q", folder / "ini"], user=user, cwd="/")
    try:
        until(lambda: _listens(port), "the pooler to listen")
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
