"""The schema of the database: migrated up and down, and compared with this release's."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from service.errors import DatabaseUnavailable
from service.failpoints import reach
from service.store.driver_errors import translate_driver_errors
from service.store.postgresql_engine import without_statement_timeout


def upgrade(engine: Engine) -> None:
    """Migrate the schema to the newest revision, in one transaction."""
    _run(engine, lambda config: command.upgrade(config, "head"))


def downgrade(engine: Engine, revision: str) -> None:
    """Migrate the schema back to a revision, or to `base`, in one transaction."""
    _run(engine, lambda config: command.downgrade(config, revision))


def _run(engine: Engine, change: Callable[[Config], None]) -> None:
    with (
        translate_driver_errors(),
        engine.execution_options(writes=True).begin() as connection,
        without_statement_timeout(connection),
    ):
        config = _config()
        config.attributes["connection"] = connection
        change(config)
        reach("in-migration")


def current(connection: Connection) -> str | None:
    """Return the revision of the database; None where there is no schema yet."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """Return the newest revision that this release knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def is_known(revision: str) -> bool:
    """Return whether this release can migrate a database of this revision."""
    return any(
        known.revision == revision for known in ScriptDirectory.from_config(_config()).walk_revisions()
    )


def require_newest(connection: Connection) -> str:
    """Return the revision of the database; raise DatabaseUnavailable unless it is this release's."""
    revision = current(connection)
    if revision is None or revision != newest():
        raise DatabaseUnavailable("the schema belongs to another release; run normserve migrate")
    return revision


def _config() -> Config:
    package = find_spec("migrations")
    if package is None or package.origin is None:
        raise RuntimeError("the migrations are not installed beside the service")
    config = Config()
    # The parser of the options would take % for the beginning of a reference.
    config.set_main_option("script_location", str(Path(package.origin).parent).replace("%", "%%"))
    return config
