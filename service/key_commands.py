"""The commands for API keys: normserve keys create, list, revoke."""

import json
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.callers import SCOPES
from service.database_commands import open_database, require_schema
from service.durations import parse_duration
from service.options import takes

if TYPE_CHECKING:
    from service.settings import Settings
    from service.store.database import Database
    from service.store.key_tables import ApiKey

cli = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")

MOST_NAME_CHARS = 80

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@cli.command()
@takes("data_dir", "database_url")
def create(
    name: Annotated[str, typer.Argument(help="What it is for, up to 80 characters.")],
    scopes: Annotated[
        str, typer.Option(metavar="<scopes>", help=f"Of {', '.join(SCOPES)}, separated by commas.")
    ],
    expires: Annotated[
        str | None,
        typer.Option(metavar="<age>", help="A whole number and s, m, h, d or w, such as 90d; else never."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once: it cannot be shown again."""
    from service.store import clock, keys  # noqa: PLC0415 # see service/__main__.py

    wanted = {scope.strip() for scope in scopes.split(",")}
    if not wanted or not wanted <= SCOPES.keys():
        _refuse(f"--scopes must be some of {', '.join(SCOPES)}, separated by commas")
    if not 0 < len(name) <= MOST_NAME_CHARS or not name.isprintable():
        _refuse("the name must have 1 to 80 characters, and no control characters")
    try:
        lasts = parse_duration(expires) if expires is not None else None
    except ValueError as error:
        _refuse(f"--expires {error}")
    if lasts == timedelta(0):
        _refuse("--expires must be more than 0")
    with open_database() as database:
        _make_schema(database)
        with database.writing() as session:
            now = clock.now(session)
            row, text = keys.create(session, name, wanted, now, None if lasts is None else now + lasts)
            shown = _view(row, now)
    if as_json:
        typer.echo(json.dumps({**shown, "key": text}))
        return
    typer.echo(text)
    typer.echo(f"{_in_words(shown)}; keep the key now, it cannot be shown again", err=True)


@cli.command("list")
@takes("data_dir", "database_url")
def list_keys(as_json: AsJson = False) -> None:
    """List all keys, without their secrets."""
    from service.store import clock, keys  # noqa: PLC0415 # see service/__main__.py

    with open_database() as database:
        require_schema(database)
        with database.reading() as session:
            now = clock.now(session)
            shown = [_view(row, now) for row in keys.list_all(session)]
    if as_json:
        typer.echo(json.dumps(shown))
        return
    for key in shown:
        typer.echo(_in_words(key))
    if not shown:
        typer.echo("there are no keys: normserve keys create makes one")


@cli.command()
@takes("data_dir", "database_url")
def revoke(which: Annotated[str, typer.Argument(metavar="<key>", help="Its id, or its name.")]) -> None:
    """Revoke a key: within 5 seconds all processes refuse it, and its sessions of the page."""
    from service.store import clock, keys  # noqa: PLC0415 # see service/__main__.py

    with open_database() as database:
        require_schema(database)
        with database.writing() as session:
            row = keys.revoke(session, which, clock.now(session))
            said = f"{row.id} ({row.name}) is revoked"
    typer.echo(said)


def require_key(settings: "Settings") -> None:
    """End with 2 if other machines could reach the api, and there is no key that they would need."""
    if not settings.needs_key_to_start or _has_key(settings):
        return
    _refuse(
        f"NORMSERVE_HOST: {settings.host} lets other machines in, and there is no API key; make one with "
        "normserve keys create NAME --scopes admin, or set NORMSERVE_HOST=127.0.0.1, or, if nobody else can "
        "reach the port, set NORMSERVE_INSECURE_NO_AUTH=true"
    )


def _has_key(settings: "Settings") -> bool:
    if not settings.database_url and not settings.default_file.exists():
        return False  # without the second that the imports below take
    from service.store import keys  # noqa: PLC0415 # see service/__main__.py
    from service.store.database import Database  # noqa: PLC0415 # see service/__main__.py

    with closing(Database(settings.database)) as database:
        return keys.is_ready(database)


def _refuse(why: str) -> None:
    typer.echo(f"normserve: {why}", err=True)
    raise typer.Exit(2)


def _make_schema(database: "Database") -> None:
    """Make the schema in a new database, so that a key can be made before the service is first started."""
    from service.store import schema  # noqa: PLC0415 # see service/__main__.py
    from service.store.readiness import require_usable  # noqa: PLC0415 # see service/__main__.py

    if database.is_sqlite:
        Path(database.url.database or "").parent.mkdir(parents=True, exist_ok=True)
    require_usable(database)
    with database.reading() as session:
        is_new = schema.current(session.connection()) is None
    if is_new:
        schema.upgrade(database.engine)
    require_schema(database)


def _view(row: "ApiKey", now: datetime) -> dict[str, Any]:
    states = {"revoked": row.revoked_at, "expired": row.expires_at if _is_past(row.expires_at, now) else None}
    return {
        "id": row.id,
        "name": row.name,
        "scopes": row.scopes.split(),
        "status": next((state for state, at in states.items() if at), "usable"),
        "created_at": _written(row.created_at),
        "expires_at": _written(row.expires_at),
        "revoked_at": _written(row.revoked_at),
        "last_used_at": _written(row.last_used_at),
    }


def _is_past(at: datetime | None, now: datetime) -> bool:
    return at is not None and at <= now


def _written(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _in_words(key: dict[str, Any]) -> str:
    """Write a key as a line."""
    times = {"expires": key["expires_at"], "last used": key["last_used_at"], "revoked": key["revoked_at"]}
    said = [f"{what} {at}" for what, at in times.items() if at]
    scopes = ", ".join(key["scopes"])
    return "; ".join(
        [f"{key['id']} {key['name']}: {scopes}", key["status"], f"made {key['created_at']}", *said]
    )
