"""Connections to PostgreSQL on which nobody waits for ever, whatever fails at either end or in between."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import orjson
import psycopg
import sqlalchemy
from psycopg.abc import PQGen
from psycopg.pq import Format, TransactionStatus
from sqlalchemy import URL, Engine, create_engine, event, text

# A request gets a response within 15 seconds: one silence on a pooled connection, then two addresses tried.
STATEMENT_SECONDS = 7
SILENCE_SECONDS = 8
CONNECT_SECONDS = 3

BINARY = {"binary_results": True}
"""Execution options of statements that read many numbers: three times as fast on PostgreSQL."""

SERVER_SETTINGS = {
    "TimeZone": "UTC",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    # A client that is paused or cut off soon loses its row locks and its table locks.
    "idle_in_transaction_session_timeout": "10s",
    "tcp_user_timeout": "10s",
    "tcp_keepalives_idle": "5s",
    "tcp_keepalives_interval": "2s",
    "tcp_keepalives_count": "3",
}

CLIENT_OPTIONS = {
    "application_name": "normserve",
    "connect_timeout": CONNECT_SECONDS,
    "tcp_user_timeout": 1000 * STATEMENT_SECONDS,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}

# Set after connecting, because older PgBouncers refuse them as options of a connection. What the user's own
# options say is kept: `client` is where the server has them from.
APPLY_SETTINGS = """
    SELECT set_config(name, wanted, false) FROM pg_settings
    JOIN unnest(%s::text[], %s::text[]) AS ours (name, wanted) USING (name)
    WHERE source <> 'client' OR name = 'TimeZone'
"""

# During COPY, or while it sends rows, a server obeys no timeout: with its client paused, it would keep its
# locks for ever. A call ends it.
END_PAUSED_SESSIONS = text(
    f"""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = current_setting('application_name')
    AND usename = current_user AND datname = current_database()
    AND state = 'active' AND wait_event_type = 'Client'
    AND query_start < clock_timestamp() - interval '{STATEMENT_SECONDS} seconds'
    """  # noqa: S608
)


class PostgresqlConnection(psycopg.Connection[Any]):
    """A connection that gives a silent server up: TCP notices nothing when a proxy hangs."""

    silence_seconds: float | None = SILENCE_SECONDS

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait as psycopg does; raise OperationalError after `silence_seconds` without a byte."""
        try:
            return super().wait(gen, interval, self.silence_seconds if timeout is None else timeout)
        except psycopg.OperationalError:
            if timeout is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # or a later statement could get the rest of this result
            raise


def postgresql_engine(url: URL, connections: int) -> Engine:
    """Make an engine with a pool of so many connections; options in the URL go before ours."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=SILENCE_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,  # an error in a log must not show what a client sent
        json_deserializer=orjson.loads,
        connect_args={name: value for name, value in CLIENT_OPTIONS.items() if name not in url.query},
    )
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "before_cursor_execute", _choose_format)
    return engine


def connection_options(url: URL) -> dict[str, Any]:
    """Return the options of a connection that a URL has, by libpq's names."""
    dialect = url.set(drivername="postgresql+psycopg").get_dialect()()
    _, options = dialect.create_connect_args(url)
    return {name: value for name, value in options.items() if isinstance(value, str | int)}


@contextmanager
def without_statement_timeout(connection: sqlalchemy.Connection) -> Iterator[None]:
    """Let the statements of this transaction take as long as they need, but not wait long for table locks.

    For an operator's commands: no client waits for them. SQLite has no such timeouts.
    """
    if connection.dialect.name == "sqlite":
        yield
        return
    driver = cast(PostgresqlConnection, connection.connection.driver_connection)
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    # Others queue behind a statement that waits for a lock on a table.
    connection.execute(text(f"SET LOCAL lock_timeout = '{STATEMENT_SECONDS}s'"))
    driver.silence_seconds = None
    try:
        yield
    finally:
        driver.silence_seconds = SILENCE_SECONDS


def _choose_format(_connection: object, cursor: Any, *call: Any) -> None:
    """Have the server send binary numbers where a statement asks for them."""
    context = call[2]
    if context.execution_options.get("binary_results"):
        cursor.format = Format.BINARY


def _connect(
    _dialect: object, _record: object, arguments: list[Any], keywords: dict[str, Any]
) -> PostgresqlConnection:
    connection = PostgresqlConnection.connect(*arguments, autocommit=True, **keywords)
    try:
        connection.execute(APPLY_SETTINGS, (list(SERVER_SETTINGS), list(SERVER_SETTINGS.values())))
    except psycopg.Error:
        connection.close()
        raise
    connection.autocommit = False
    return connection
