"""The command line: processes of one machine and of a cluster; service/operations.py has the others.

Each command imports what it runs: torch takes seconds, and `up` and `migrate` do not need it.
"""

import os
import signal
import socket
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvicorn
from pydantic import ValidationError

from service import failpoints, operations
from service.errors import BackupRefused, NormserveError
from service.logs import configure_logs
from service.progress import Progress
from service.settings import Settings
from service.store import schema
from service.store.database import Database
from service.store.readiness import require_usable
from service.supervisor import StopSignals, Supervisor, end_with_parent

log = structlog.get_logger()

cli = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
cli.add_typer(operations.cli)

EndWithParent = Annotated[bool, typer.Option("--end-with-parent", hidden=True)]
GRACE_SECONDS = 5
# Longer than clients (5) and proxies (60) keep an idle connection. If the server closed one first, a request
# that a client sends at that moment would be lost.
KEEP_ALIVE_SECONDS = 75


def main() -> None:
    """Run a command; print an error as one line."""
    try:
        cli()
    except ValidationError as error:
        for place in error.errors():
            name = "_".join(map(str, ("NORMSERVE", *place["loc"]))).upper()
            # A rule on several settings names them itself.
            said = f"{name}: {place['msg']}" if place["loc"] else place["msg"].removeprefix("Value error, ")
            print(f"normserve: {said}", file=sys.stderr)  # noqa: T201 # before there are logs
        sys.exit(2)
    except (NormserveError, BackupRefused, OSError) as error:
        sys.exit(f"normserve: {error}")


@cli.command()
def up() -> None:
    """Serve and train on this machine: migrate, then run api and dispatcher together."""
    settings = _start()
    _check_port(settings)
    _migrate(settings)
    with Progress(settings) as progress:
        Supervisor(["api", "dispatch"], progress.relay).run(progress.watch)


@cli.command()
def api(end_with_parent: EndWithParent = False) -> None:
    """Serve HTTP."""
    settings = _start(end_with_parent)
    if not end_with_parent:
        _require_database(settings)
    from service.app import create_app  # noqa: PLC0415 # see the module

    if settings.is_open:
        log.warning(
            "INSECURE: anyone who can reach this address can do anything, because there are no keys yet",
            host=settings.host,
            port=settings.port,
            because="NORMSERVE_INSECURE_NO_AUTH",
        )
    # After an orderly stop, uvicorn sends itself the signal again; the exit code must be 0 all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = Server(
        uvicorn.Config(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
    )
    server.run()


@cli.command()
def dispatch(end_with_parent: EndWithParent = False) -> None:
    """Run the dispatcher, and the workers of this machine unless there is a scheduler."""
    settings = _start(end_with_parent)
    if not end_with_parent:
        _require_database(settings)
    from service.work.process import dispatch as run_dispatcher  # noqa: PLC0415 # see the module

    stop, signals = threading.Event(), StopSignals()

    def end(*_: object) -> None:
        if signals.is_second():
            _end_at_once()
        stop.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, end)
    run_dispatcher(settings, stop)


@cli.command()
def certificates(
    folder: Path,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Do nothing if all exist.")] = False,
) -> None:
    """Make the certificates of a cluster: copy the folder to each of its machines."""
    from service.work.certificates import missing, write_certificates  # noqa: PLC0415 # see the module

    if missing(folder) or not if_missing:
        write_certificates(folder)


@cli.command()
def scheduler(host: str = "127.0.0.1", port: int = 8786) -> None:
    """Run a cluster's scheduler."""
    from service.work.nodes import run_scheduler  # noqa: PLC0415 # see the module

    run_scheduler(_start_node().certificates, host, port)


@cli.command()
def worker() -> None:
    """Run a cluster's workers on this machine, and restart each whenever it ends."""
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
def migrate() -> None:
    """Bring the schema of the database to this release."""
    _migrate(_start())


class Server(uvicorn.Server):
    """uvicorn, which wakes the requests that wait for a job before it waits for all requests to end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.signals = StopSignals()

    def handle_exit(self, sig: int, frame: object) -> None:
        """Wake the requests that wait for a job, then stop as uvicorn does; end at once the second time."""
        if self.signals.is_second():
            _end_at_once()
        self.config.app.state.parts.changes.stop()  # type: ignore[union-attr] # the app that was passed in
        super().handle_exit(sig, frame)  # type: ignore[arg-type] # uvicorn names the frame's own type


def _end_at_once() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)


def _start(bound_to_parent: bool = False) -> Settings:
    settings = Settings()
    configure_logs(settings)
    failpoints.arm(settings.failpoints, settings.data_dir / "failpoints")
    if bound_to_parent:
        end_with_parent()
    return settings


def _start_node() -> Settings:
    from service.work.certificates import missing  # noqa: PLC0415 # see the module

    settings = _start()
    absent = missing(settings.certificates)
    if absent:
        raise SystemExit(
            f"normserve: NORMSERVE_CERTIFICATES: {absent[0]} is missing; run normserve certificates"
        )
    return settings


def _migrate(settings: Settings) -> None:
    with closing(Database(settings.database)) as database:
        require_usable(database)
        schema.upgrade(database.engine)


def _require_database(settings: Settings) -> None:
    """Fail now if the database cannot be used; `up` has done so before it starts its processes."""
    with closing(Database(settings.database)) as database:
        require_usable(database)


def _check_port(settings: Settings) -> None:
    """Fail now if the port is taken; else the api would start, die and be restarted again and again."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.create_server((settings.host, settings.port), family=family):
            pass
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise SystemExit(
            f"normserve: cannot listen on {settings.host}:{settings.port}: {why}; set NORMSERVE_PORT"
        ) from None


if __name__ == "__main__":
    main()
