"""What `normserve up` prints: its address, on a terminal a line of running jobs, and what it leaves."""

import http.client
import threading
import time
from types import TracebackType
from typing import Self

import structlog
from rich.console import Console
from rich.live import Live
from rich.text import Text

from service.errors import NormserveError
from service.logs import is_readable
from service.settings import Settings
from service.store import queries
from service.store.database import Database
from service.store.queries import JobsLeft
from service.store.tables import Job

REFRESH_SECONDS = 0.5
MOST_SHOWN = 4
RESPONSE_SECONDS = 0.5
CONCLUDE_SECONDS = 0.5

log = structlog.get_logger()


class ProgressLine:
    """The address of the service, then a line that follows the running jobs; without a terminal, no line."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.database)
        self.console = Console(stderr=True)
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self.next_look = 0.0
        self.announced = False

    def __enter__(self) -> Self:
        if is_readable(self.settings):
            self._print("normserve is starting; its address follows as soon as it responds.")
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()
        self.database.close()

    def relay(self, line: str) -> None:
        """Print a log line so that it does not break the line of running jobs."""
        self.console.print(Text.from_ansi(line), soft_wrap=True)

    def watch(self) -> None:
        """Print the address once the service responds, and show the running jobs as they are now."""
        if not self.announced and responds(self.settings):
            self.announced = True
            self._announce(self.settings.address)
        if not self.console.is_terminal or time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + REFRESH_SECONDS
        try:
            with self.database.reading() as session:
                jobs = queries.running(session)
        except NormserveError:
            return
        line = line_of([_describe(job) for job in jobs])
        self.live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)

    def conclude(self) -> None:
        """Print what the next start goes on with, unless the database is slow: a stop has a limit."""
        self.live.stop()
        concluding = threading.Thread(target=self._conclude, daemon=True)
        concluding.start()
        concluding.join(CONCLUDE_SECONDS)

    def _conclude(self) -> None:
        try:
            with self.database.reading() as session:
                left = queries.stopped(session)
        except NormserveError as error:
            log.warning("normserve stopped without its database", reason=error.detail)
            return
        if is_readable(self.settings):
            self._print(f"normserve has stopped: {in_words(left)}.")
        else:
            log.info("normserve stopped", **left._asdict())

    def _announce(self, address: str) -> None:
        if not is_readable(self.settings):
            log.info("normserve responds", address=address, docs=f"{address}/docs")
            return
        self._print(f"normserve responds at {address}: train a first net from another terminal, with")
        body = '\'{"norm":"weight","init":true}\''
        self._print(f"  curl -d {body} -H 'content-type: application/json' {address}/jobs")
        self._print(f"or open {address}/docs, which describes the API.")

    def _print(self, line: str) -> None:
        self.console.out(line, highlight=False)


def responds(settings: Settings) -> bool:
    """Return whether the api responds, which is certain within half a second."""
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=RESPONSE_SECONDS)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def line_of(described: list[str]) -> str:
    """Return the line of the running jobs: how many there are, and the first few, as a terminal cuts it."""
    count = [f"{len(described)} jobs train:"] if len(described) > 1 else []
    return "  ".join([*count, *described[:MOST_SHOWN]])


def in_words(left: JobsLeft) -> str:
    """Return which jobs the next start goes on with."""
    begun = [
        (left.handed_back, "handed back, to go on at the next start"),
        (left.cut_off, "cut off, to go on from the last stored step"),
    ]
    said = [f"{_jobs(number)} {what}" for number, what in begun if number] or ["no job was in training"]
    return "; ".join([*said, *([f"{_jobs(left.waiting)} waiting"] if left.waiting else [])])


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number:,} jobs"


def _describe(job: Job) -> str:
    name = job.label or f"{job.norm}{'+init' if job.init else ''} seed {job.seed}"
    loss = (job.latest or {}).get("train_loss")
    return f"{name}: {job.step}/{job.steps}" + ("" if loss is None else f" loss {loss:.3f}")
