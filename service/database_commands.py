"""The commands for an operator's database: normserve prune, backup, restore."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.durations import parse_duration
from service.errors import DatabaseUnavailable
from service.options import takes

if TYPE_CHECKING:
    from service.store.database import Database
    from service.store.pruning import Pruned

cli = typer.Typer()

Backup = Annotated[Path, typer.Argument(dir_okay=False, help="The file of the backup.")]


@cli.command()
@takes("data_dir", "database_url")
def prune(
    older_than: Annotated[
        str, typer.Option(metavar="<age>", help="A whole number and s, m, h, d or w, such as 30d.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be deleted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Delete jobs that ended longer ago than --older-than, with all their rows and weights."""
    from service.store import clock, pruning  # noqa: PLC0415 # see service/__main__.py

    try:
        age = parse_duration(older_than)
    except ValueError as error:
        typer.echo(f"normserve: --older-than {error}", err=True)
        raise typer.Exit(2) from None
    with open_database() as database:
        require_schema(database)
        with database.reading() as session:
            before = clock.now(session) - age
            found = pruning.count_prunable(session, before)
        ended = f"ended before {before:%Y-%m-%d %H:%M} UTC: {_in_words(found)}"
        if dry_run:
            typer.echo(f"would delete what {ended}")
            return
        if found.jobs and not yes:
            _confirm(f"{ended}; delete?")
        found = pruning.prune(database, before)
    typer.echo(f"deleted {_in_words(found)}")


def _confirm(question: str) -> None:
    """End the command unless someone at the terminal agrees."""
    try:
        agreed = typer.confirm(question)
    except typer.Abort:  # there is nobody to ask
        typer.echo()
        agreed = False
    if not agreed:
        typer.echo("normserve: nothing was deleted; --yes deletes without asking", err=True)
        raise typer.Exit(1)


@cli.command()
@takes("data_dir", "database_url")
def backup(
    file: Backup,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it exists; without this, refuse.")
    ] = False,
) -> None:
    """Write the whole database to a file; normserve may run meanwhile."""
    from service.store import backups  # noqa: PLC0415 # see service/__main__.py

    with open_database() as database:
        size = backups.back_up(database, file, overwrite)
    typer.echo(f"{file}: {size:,} bytes")


@cli.command()
@takes("data_dir", "database_url")
def restore(
    file: Backup,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Delete the jobs that the database has; without this, refuse."),
    ] = False,
) -> None:
    """Replace the database with a backup, while normserve is stopped."""
    from service.store import backups  # noqa: PLC0415 # see service/__main__.py

    with open_database() as database:
        violations = backups.restore(database, file, overwrite)
    for violation in violations:
        typer.echo(violation, err=True)
    if violations:
        typer.echo("normserve: the backup is restored, but it violates the rules above", err=True)
        raise typer.Exit(1)
    typer.echo(f"{file} is restored")


@contextmanager
def open_database() -> "Iterator[Database]":
    """Open the database that the settings name."""
    from service.logs import configure_logs  # noqa: PLC0415 # see service/__main__.py
    from service.settings import Settings  # noqa: PLC0415 # see service/__main__.py
    from service.store.database import Database  # noqa: PLC0415 # see service/__main__.py

    settings = Settings()
    configure_logs(settings)
    with closing(Database(settings.database)) as database:
        yield database


def require_schema(database: "Database") -> None:
    """Raise DatabaseUnavailable unless there is a database, and DatabaseUnusable unless it is migrated."""
    from service.store import schema  # noqa: PLC0415 # see service/__main__.py

    if database.is_sqlite and not Path(database.url.database or "").exists():
        raise DatabaseUnavailable(f"there is no database {database.url.database}")
    with database.reading() as session:
        schema.require_newest(session.connection())


def _in_words(pruned: "Pruned") -> str:
    jobs, rows = _counted(pruned.jobs, "job"), _counted(pruned.rows, "metric row")
    return f"{jobs}, {rows} and {_counted(pruned.weights_bytes, 'byte')} of weights"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
