"""The command line: processes of one machine and of a cluster.

service/database_commands.py and service/key_commands.py have the other commands.

Each command imports what it runs, so that `up` starts its processes before it imports anything slow.
"""

import errno
import os
import signal
import socket
import sys
import tempfile
import threading
from contextlib import closing
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from service import database_commands, json_lines, key_commands
from service.errors import BackupRefused, NormserveError
from service.options import takes, variable
from service.supervisor import (
    API,
    Child,
    StopSignals,
    Supervisor,
    end_at_once,
    end_with_parent,
    inherited,
    wait_for_parent,
)

if TYPE_CHECKING:
    from pydantic import ValidationError

    from service.settings import Settings


class Commands(TyperGroup):
    """The commands, whose help ends with the names of the settings."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        from service.settings import Settings  # noqa: PLC0415 # see the module

        names = ", ".join(map(variable, Settings.model_fields))
        self.epilog = f"Settings are environment variables, described in docs/operating.md: {names}."
        super().format_help(ctx, formatter)


cli = typer.Typer(cls=Commands, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
cli.add_typer(database_commands.cli)
cli.add_typer(key_commands.cli, name="keys")

EndWithParent = Annotated[bool, typer.Option("--end-with-parent", hidden=True)]


def main() -> None:
    """Run a command; print an error as one line."""
    if sys.platform == "win32":
        sys.exit("normserve: Windows has no fork and no flock; run normserve in WSL 2, or on Linux or macOS")
    json_lines.use_if_asked_for()
    try:
        cli()
    except (NormserveError, BackupRefused, OSError) as error:
        sys.exit(f"normserve: {error}")
    except _validation_error() as error:
        from service.edge.rules import rule_of  # noqa: PLC0415 # see the module

        for place in error.errors():
            name = "_".join(map(str, ("NORMSERVE", *place["loc"]))).upper()
            # A rule on several settings names them itself.
            said = f"{name}: {rule_of(place)}" if place["loc"] else rule_of(place)
            print(f"normserve: {said}", file=sys.stderr)  # noqa: T201 # before there are logs
        sys.exit(2)


def _validation_error() -> "type[ValidationError]":
    from pydantic import ValidationError  # noqa: PLC0415 # see the module

    return ValidationError


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"normserve {version('normserve')}")
        raise typer.Exit


@cli.callback()
def normserve(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train small nets over HTTP, serve them, and learn which normalisation is better, by how much."""


@cli.command()
@takes("port", "host", "data_dir", "workers", "database_url")
def up() -> None:
    """Serve and train on this machine, until Ctrl-C: migrate, then run api and dispatcher together."""
    with Supervisor([API, "dispatch"], piped=sys.stderr.isatty()).starting(API) as supervisor:
        settings = _start(listens=True)
        listeners = _listen(settings)
        _migrate(settings)
        supervisor.children += [Child(API) for _ in range(settings.apis - 1)]
        from service.progress import ProgressLine  # noqa: PLC0415 # see the module

        with ProgressLine(settings) as progress:
            supervisor.run(progress.watch, progress.relay, listeners, settings.counts_dir)
            progress.conclude()


@cli.command()
@takes("port", "host", "data_dir", "database_url")
def api(end_with_parent: EndWithParent = False) -> None:
    """Serve HTTP only: a dispatcher must run too, so that jobs are trained."""
    if end_with_parent:
        import_module("service.server")  # it takes a second, in which the parent reads the settings
    settings = _start(end_with_parent, listens=not end_with_parent)
    if not end_with_parent:
        inherited.listeners.extend(_listen(settings))
        _require_database(settings)
    if not end_with_parent and settings.apis > 1:
        Supervisor([API] * settings.apis).run(
            lambda: None, listeners=inherited.listeners, counts=settings.counts_dir
        )
        return
    from service.api.shared.measures import Shared  # noqa: PLC0415 # see the module
    from service.server import serve  # noqa: PLC0415 # see the module

    serve(settings, inherited.listeners, Shared(*inherited.counts) if inherited.counts else None)


@cli.command()
@takes("workers", "data_dir", "database_url")
def dispatch(end_with_parent: EndWithParent = False) -> None:
    """Run the dispatcher; unless NORMSERVE_SCHEDULER is set, it also runs the workers of this machine."""
    settings = _start(end_with_parent)
    if not end_with_parent:
        _require_database(settings)
    from service.work.process import dispatch as run_dispatcher  # noqa: PLC0415 # see the module

    stop, signals = threading.Event(), StopSignals()

    def end(*_: object) -> None:
        if signals.is_second():
            end_at_once()
        stop.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, end)
    run_dispatcher(settings, stop)


@cli.command()
def certificates(
    folder: Annotated[Path, typer.Argument(help="A folder, which is made if it does not exist.")],
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Do nothing if all files exist; without this, refuse.")
    ] = False,
) -> None:
    """Make the certificates of a cluster; then copy the folder to all its machines."""
    from service.work.certificates import missing, write_certificates  # noqa: PLC0415 # see the module

    if not missing(folder) and if_missing:
        typer.echo(f"{folder} has all certificates: there was nothing to do")
        return
    write_certificates(folder)
    typer.echo(f"made the certificates; copy {folder} to all machines of the cluster, and keep it secret")


@cli.command()
def scheduler(
    host: Annotated[
        str, typer.Option(metavar="<address>", help="Address to listen on; 0.0.0.0 for other machines.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="<port>", help="Port to listen on.")] = 8786,
) -> None:
    """Run a cluster's scheduler, to which its workers and dispatchers connect."""
    from service.work.nodes import run_scheduler  # noqa: PLC0415 # see the module

    run_scheduler(_start_node().certificates, host, port)


@cli.command()
def worker() -> None:
    """Run NORMSERVE_WORKERS workers of a cluster on this machine, and restart each whenever it ends."""
    from service.settings import Settings  # noqa: PLC0415 # see the module

    if not Settings().scheduler:
        raise SystemExit("normserve: NORMSERVE_SCHEDULER: must be set, such as tls://scheduler.internal:8786")
    settings = _start_node()
    Supervisor(["worker-process"] * settings.workers).run(lambda: None)


@cli.command(hidden=True)
def worker_process(end_with_parent: EndWithParent = False) -> None:
    """Run one of a cluster's workers until it fails or the scheduler goes away."""
    from service.work.nodes import run_worker  # noqa: PLC0415 # see the module

    settings = _start(end_with_parent)
    with tempfile.TemporaryDirectory() as folder:
        run_worker(settings.scheduler, settings.certificates, settings.workers, Path(folder))


@cli.command()
@takes("data_dir", "database_url")
def migrate() -> None:
    """Make the schema of the database, or update it to this release."""
    before, after = _migrate(_start())
    if before == after:
        typer.echo(f"the schema is at revision {after}: there was nothing to do")
    elif before is None:
        typer.echo(f"the schema is made, at revision {after}")
    else:
        typer.echo(f"the schema is updated from revision {before} to {after}")


def _start(bound_to_parent: bool = False, listens: bool = False) -> "Settings":
    """Read the settings and set up this process; one with a parent waits for it first.

    One that listens ends at once where it would need a key and there is none.
    """
    from service.settings import Settings  # noqa: PLC0415 # see the module

    if bound_to_parent:
        wait_for_parent()
    settings = Settings()
    if listens:
        key_commands.require_key(settings)
    from service import failpoints  # noqa: PLC0415 # see the module
    from service.logs import configure_logs  # noqa: PLC0415 # see the module

    configure_logs(settings)
    failpoints.arm(settings.failpoints, settings.data_dir / "failpoints")
    if bound_to_parent:
        end_with_parent()
    return settings


def _start_node() -> "Settings":
    from service.work.certificates import missing  # noqa: PLC0415 # see the module

    settings = _start()
    absent = missing(settings.certificates)
    if absent:
        raise SystemExit(
            f"normserve: NORMSERVE_CERTIFICATES: {absent[0]} is missing; "
            f"run normserve certificates {settings.certificates}"
        )
    return settings


def _migrate(settings: "Settings") -> tuple[str | None, str]:
    """Migrate the database; return its revision before, if any, and after."""
    from service.store import schema  # noqa: PLC0415 # see the module
    from service.store.database import Database  # noqa: PLC0415 # see the module
    from service.store.readiness import require_usable  # noqa: PLC0415 # see the module

    with closing(Database(settings.database)) as database:
        require_usable(database)
        return schema.upgrade(database.engine), schema.newest()


def _require_database(settings: "Settings") -> None:
    """Fail now if the database cannot be used; `up` has done so before it starts its processes."""
    from service.store.database import Database  # noqa: PLC0415 # see the module
    from service.store.readiness import require_usable  # noqa: PLC0415 # see the module

    with closing(Database(settings.database)) as database:
        require_usable(database)


def _listen(settings: "Settings") -> list[socket.socket]:
    """Return sockets that listen, from which all api processes accept; end if the port is taken."""
    listeners, error = [], OSError()
    for family, *_, address in socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM):
        try:
            listeners.append(socket.create_server(address, family=family))
            listeners[-1].setblocking(False)
        except OSError as failed:
            error = failed
    # localhost may be ::1 too on a machine without IPv6.
    if listeners and error.errno in {None, errno.EADDRNOTAVAIL}:
        return listeners
    raise SystemExit(
        f"normserve: cannot listen on {settings.host}:{settings.port}: {os.strerror(error.errno or 0)}; "
        "set NORMSERVE_PORT, such as NORMSERVE_PORT=8001, or --port"
    )


if __name__ == "__main__":
    main()
