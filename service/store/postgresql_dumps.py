"""Our tables of a PostgreSQL database, dumped by pg_dump and restored in one transaction."""

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from glob import glob
from pathlib import Path
from typing import IO, Any, cast

from psycopg.conninfo import make_conninfo
from sqlalchemy import URL

from service.errors import BackupRefused
from service.store import schema
from service.store.all_tables import TABLES
from service.store.database import Database
from service.store.postgresql_engine import connection_options

NO_OWNER = ("--no-owner", "--no-privileges")  # the role that restores owns the tables
PSQL = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--output={os.devnull}")
INSTALLED = "/usr/lib/postgresql/*/bin"
NEWER_SETTING = b"SET transaction_timeout = 0;\n"
"""The first line of clients since PostgreSQL 17; older servers reject it."""
VERSION = re.compile(rb"^COPY \S*alembic_version .*\n(\w+)$", re.MULTILINE)


def dump(database: Database, target: Path) -> None:
    """Write what is committed to a file, while others read and write."""
    chosen = [f"--table={table}" for table in TABLES]
    _run("pg_dump", "--format=custom", *chosen, f"--file={target}", url=database.url)


def revision_of(file: Path) -> str:
    """Return the schema revision of an archive; raise BackupRefused unless it is whole and ours."""
    with file.open("rb") as opened:
        if opened.read(5) != b"PGDMP":
            raise BackupRefused(f"{file} is not a backup of a PostgreSQL database")
    _run("pg_restore", f"--file={os.devnull}", file)  # reads all of it
    found = VERSION.search(_run("pg_restore", "--data-only", "--table=alembic_version", "--file=-", file))
    if found is None:
        raise BackupRefused(f"{file} is not a backup of a normserve database")
    return found[1].decode()


def restore(database: Database, file: Path) -> None:
    """Replace our tables by those of an archive, in one transaction.

    pg_restore alone does not do: it drops only the tables in the archive, and a newer schema has more.
    """
    with database.reading() as session:
        revision = schema.current(session.connection())
    if revision is not None and not schema.is_known(revision):
        raise BackupRefused(f"the schema of the database, {revision}, is unknown to this release")
    with tempfile.TemporaryFile() as errors:
        psql = _start("psql", *PSQL, url=database.url, stdin=subprocess.PIPE, stderr=errors)
        try:
            with suppress(BrokenPipeError):  # psql has ended, and its errors say why
                _feed(_pipe(psql.stdin), file)
        finally:
            with suppress(BrokenPipeError):
                _pipe(psql.stdin).close()
            psql.wait()
        if psql.returncode:
            errors.seek(0)
            raise BackupRefused(f"the backup could not be restored: {_last_line(errors.read())}")


def _feed(psql: IO[bytes], file: Path) -> None:
    """Write the whole transaction; without its last line, psql rolls back when its input ends."""
    psql.write(f"BEGIN; SET LOCAL lock_timeout = '10s'; DROP TABLE IF EXISTS {', '.join(TABLES)};\n".encode())
    restored = _start("pg_restore", *NO_OWNER, "--file=-", file, stdout=subprocess.PIPE)
    with restored:
        lines = _pipe(restored.stdout)
        for line in lines:
            if line != NEWER_SETTING:
                psql.write(line)
            if line.startswith(b"CREATE"):
                break  # the settings come before the first of these
        shutil.copyfileobj(lines, psql)
    if restored.returncode:
        raise BackupRefused("the backup could not be read to its end")
    psql.write(b"COMMIT;\n")


def _run(program: str, *arguments: str | Path, url: URL | None = None) -> bytes:
    process = _start(program, *arguments, url=url, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = process.communicate()
    if process.returncode:
        raise BackupRefused(_last_line(errors))
    return output


def _start(
    program: str, *arguments: str | Path, url: URL | None = None, **pipes: Any
) -> subprocess.Popen[bytes]:
    """Start a program, with the password in its environment, which only the same user can read."""
    environment = {**os.environ, "PGAPPNAME": "normserve backup"}
    if url is not None:
        password = url.password or url.query.get("password")
        if password:
            environment["PGPASSWORD"] = str(password)
        arguments = (*arguments, "--no-password", f"--dbname={_without_password(url)}")
    # No shell, and no text from a client of the service.
    return subprocess.Popen([_program(program), *arguments], env=environment, **pipes)  # noqa: S603


def _without_password(url: URL) -> str:
    """Return the user's options of a connection as libpq writes them: it does not read all URLs as we do.

    The dispatcher ends sessions of the service's own name that wait for their client, as a backup may.
    """
    options = connection_options(url)
    for name in ("password", "application_name"):
        options.pop(name, None)
    return make_conninfo(**options)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    return cast(IO[bytes], pipe)  # the process was started with it


def _last_line(errors: bytes) -> str:
    return (errors.decode(errors="replace").strip().splitlines() or ["no reason was given"])[-1]


def _program(name: str) -> str:
    """Return the path of one of PostgreSQL's client programs; raise BackupRefused if it is missing."""
    installed = sorted(glob(f"{INSTALLED}/{name}"), key=lambda path: float(Path(path).parts[-3]))
    found = shutil.which(name) or (installed or [""])[-1]
    if not found:
        raise BackupRefused(
            f"{name} is missing: install PostgreSQL's clients (apt-get install postgresql-client)"
        )
    return found
