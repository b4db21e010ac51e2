"""Why a database cannot be used: from what its driver reports to a sentence and a cure.

PostgreSQL's SQLSTATE and SQLite's result code decide. An error before there is a connection has neither, so
the words of libpq, of the server or of PgBouncer stand for one.
"""

import re
import sqlite3
from typing import NamedTuple

from service.errors import DatabaseUnavailable, DatabaseUnusable
from service.store.postgresql_engine import STATEMENT_SECONDS

SETTING = "NORMSERVE_DATABASE_URL"
MOST_WORDS = 300


class Refusal(NamedTuple):
    """The error to raise, and its detail: what is wrong and who does what about it."""

    error: type[DatabaseUnavailable]
    detail: str


def _unusable(detail: str) -> Refusal:
    return Refusal(DatabaseUnusable, detail)


POOLED = _unusable(
    f"{SETTING} leads through a pooler that changes its connection between transactions: use session "
    "pooling (PgBouncer: pool_mode = session), or a URL without the pooler"
)
SQLSTATES = {
    "28P01": _unusable(f"the database refuses the password: set PGPASSWORD, or correct {SETTING}"),
    "28000": _unusable(
        "the database refuses this user or this machine: allow the user and the machine in its pg_hba.conf, "
        f"or correct {SETTING}"
    ),
    "3D000": _unusable(f"the database does not exist: create it with createdb, or correct {SETTING}"),
    "3F000": _unusable("no schema of the search_path exists: create it, and grant it to the role"),
    "42501": _unusable(
        "the role of the database lacks a permission: make it the owner of the database, "
        "or grant it all on its schema"
    ),
    "42P01": _unusable("the database has no tables of normserve: run normserve migrate"),
    "25006": Refusal(
        DatabaseUnavailable,
        f"the database is read-only, as a standby is: name the primary server in {SETTING}",
    ),
    "53300": Refusal(DatabaseUnavailable, "the database has no connection left; try again soon"),
    "55P03": Refusal(DatabaseUnavailable, "another transaction holds what this one needs; try again soon"),
    "57014": Refusal(
        DatabaseUnavailable, f"the database took more than {STATEMENT_SECONDS} seconds; try again soon"
    ),
    "57P03": Refusal(DatabaseUnavailable, "the database is starting or stopping; try again soon"),
    "08001": Refusal(
        DatabaseUnavailable,
        f"no server listens at the address of the database: start PostgreSQL, or correct {SETTING}",
    ),
    "unknown host": _unusable(
        f"the host of the database has no address: correct its name in {SETTING}, or the name service"
    ),
    "silent": Refusal(DatabaseUnavailable, "the host of the database does not respond; try again soon"),
    "TLS required": _unusable(f"the database requires TLS: put ?sslmode=require into {SETTING}"),
    "no TLS": _unusable(f"the database has no TLS: turn it on there, or remove sslmode from {SETTING}"),
    "certificate": _unusable(
        f"the certificate of the database is not trusted: correct sslrootcert or the host in {SETTING}"
    ),
    "option": _unusable(f"a connection option in {SETTING} is refused: correct it or leave it out"),
    "pooled": POOLED,
    "42P05": POOLED,  # a prepared statement exists already, of another client
    "26000": POOLED,  # a prepared statement is not there
}
"""By SQLSTATE, or by a name of ours for what has none."""

STATES_OF_WORDS = {
    r"password authentication failed|SASL authentication failed|auth failed|no password supplied": "28P01",
    r"no pg_hba.conf entry.*(no encryption|SSL off)|SSL required": "TLS required",
    r"does not support SSL": "no TLS",
    r"certificate|sslrootcert": "certificate",
    r"no pg_hba.conf entry|pg_hba.conf rejects|(peer|ident|trust\"?) authentication failed"
    r"|role .* does not exist|no such user|is not permitted to log in": "28000",
    r"database .* does not exist|no such database": "3D000",
    r"permission denied for database": "42501",
    r"remaining connection slots|too many (clients|connections)|no more connections": "53300",
    r"starting up|shutting down|not yet accepting|in recovery mode": "57P03",
    r"resolve host|translate host name|name resolution|Name or service|No address assoc": "unknown host",
    r"invalid (connection option|\w+ value|port number|value for parameter|command-line argument)"
    r"|unrecognized configuration parameter|unsupported startup parameter|missing \"=\"": "option",
    r"statement pooling": "pooled",
    r"Connection refused|No such file or directory": "08001",
    r"timeout expired|timed out|No route to host|Network is unreachable": "silent",
    r"closed the connection|Connection reset": "lost",
}
"""By the words of an error that has no SQLSTATE, in this order."""

OF_ANY_KIND = "08P01"
"""The SQLSTATE of all that PgBouncer reports itself."""

FILE_CODES = {
    sqlite3.SQLITE_NOTADB: _unusable(
        "the file of the database is not a SQLite database: move it away, or restore a backup"
    ),
    sqlite3.SQLITE_CORRUPT: _unusable("the file of the database is damaged: restore a backup"),
    sqlite3.SQLITE_CANTOPEN: _unusable(
        "the file of the database cannot be opened: let this user read and write it and its folder"
    ),
    sqlite3.SQLITE_READONLY: _unusable(
        "the file of the database is read-only: let this user write it and its folder"
    ),
    sqlite3.SQLITE_PERM: _unusable(
        "the file of the database is not readable and writable for this user: allow both"
    ),
}
"""By the primary result code of SQLite."""


def refusal_of(error: BaseException | None, while_connecting: bool) -> Refusal | None:
    """Return why the database cannot be used; None for an error of another kind."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        if str(error).startswith("no such table"):
            return SQLSTATES["42P01"]
        return FILE_CODES.get(code & 0xFF)  # the rest of the code gives details
    state = getattr(error, "sqlstate", None) or ""
    if state == OF_ANY_KIND or (while_connecting and not state):
        state = _state_of_words(error)
    return SQLSTATES.get(state)


def words_of(error: BaseException | None) -> str:
    """Return what the driver reported, on one line."""
    return " ".join(str(error or "").split())[:MOST_WORDS]


def _state_of_words(error: BaseException | None) -> str:
    words = str(error or "")
    for pattern, state in STATES_OF_WORDS.items():
        if re.search(pattern, words, re.IGNORECASE | re.DOTALL):
            return state
    # The server's own words may be in any language.
    asked = getattr(error, "pgconn", None)
    return "28P01" if asked is not None and (asked.used_password or asked.needs_password) else ""
