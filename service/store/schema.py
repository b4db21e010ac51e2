"""The schema of the database: migrated up and down, and compared with this release's."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from service.errors import DatabaseUnusable
from service.failpoints import reach
from service.store.driver_errors import translate_driver_errors
from service.store.postgresql_engine import without_statement_timeout
from service.store.sqlite_engine import write_gate

MOST_WAITING_SECONDS = 60
"""How long a migration waits for another one to end."""


def upgrade(engine: Engine) -> str | None:
    """Migrate the schema to the newest revision, in one transaction; return the revision before, if any."""
    return _run(engine, lambda config: command.upgrade(config, "head"))


def downgrade(engine: Engine, revision: str) -> None:
    """Migrate the schema back to a revision, or to `base`, in one transaction."""
    _run(engine, lambda config: command.downgrade(config, revision))


def _run(engine: Engine, change: Callable[[Config], None]) -> str | None:
    """Change the schema once no other process does; return the revision before."""
    with (
        translate_driver_errors(),
        write_gate(engine.url, MOST_WAITING_SECONDS) if _is_sqlite(engine) else nullcontext(),
        engine.execution_options(writes=True).begin() as connection,
        without_statement_timeout(connection),
    ):
        if not _is_sqlite(engine):
            _wait_for_other_migrations(connection)
        before = require_known(connection)
        config = _config()
        config.attributes["connection"] = connection
        change(config)
        reach("in-migration")
    return before


def _is_sqlite(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite"


def _wait_for_other_migrations(connection: Connection) -> None:
    """Lock other migrations out until the transaction ends."""
    set_limit = text("SELECT set_config('lock_timeout', :limit, true)")
    before = connection.scalar(text("SHOW lock_timeout"))
    connection.execute(set_limit, {"limit": f"{MOST_WAITING_SECONDS}s"})
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('normserve migration'))"))
    connection.execute(set_limit, {"limit": before})


def current(connection: Connection) -> str | None:
    """Return the revision of the database; None where there is no schema yet."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    """Return the newest revision that this release knows."""
    return _revisions()[0]


def is_known(revision: str) -> bool:
    """Return whether this release can migrate a database of this revision."""
    return revision in _revisions()


@cache
def _revisions() -> tuple[str, ...]:
    """Return the revisions of this release, the newest first."""
    return tuple(each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions())


def require_known(connection: Connection) -> str | None:
    """Return the revision of the database, if any; raise DatabaseUnusable for one of a newer release."""
    revision = current(connection)
    if revision is not None and not is_known(revision):
        raise DatabaseUnusable(
            "the schema of the database is newer than this release: install the release that migrated it, or "
            "restore a backup made before that",
            f"revision {revision}, and this release knows up to {newest()}",
        )
    return revision


def require_newest(connection: Connection) -> str:
    """Return the revision of the database; raise DatabaseUnusable unless it is this release's."""
    revision = require_known(connection)
    if revision is None or revision != newest():
        raise DatabaseUnusable("the schema of the database is missing or older: run normserve migrate")
    return revision


def _config() -> Config:
    package = find_spec("migrations")
    if package is None or package.origin is None:
        raise RuntimeError("the migrations are not installed beside the service")
    config = Config()
    # The parser of the options would take % for the beginning of a reference.
    config.set_main_option("script_location", str(Path(package.origin).parent).replace("%", "%%"))
    return config
