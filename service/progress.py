"""What `normserve up` prints: its address, and on a terminal a line of running jobs."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from service.errors import NormserveError
from service.settings import Settings
from service.store import queries
from service.store.database import Database
from service.store.tables import Job

REFRESH_SECONDS = 0.5
MOST_SHOWN = 4


class Progress:
    """A line that follows the running jobs; without a terminal, nothing."""

    def __init__(self, settings: Settings) -> None:
        self.database = Database(settings.database)
        self.console = Console(stderr=True)
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self.next_look = 0.0
        self._print_address(settings.address)

    def __enter__(self) -> Self:
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
        """Show the running jobs as they are now."""
        if not self.console.is_terminal or time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + REFRESH_SECONDS
        try:
            with self.database.reading() as session:
                jobs = queries.running(session)
        except NormserveError:
            return
        self.live.update(Text(line_of([_describe(job) for job in jobs])), refresh=True)

    def _print_address(self, address: str) -> None:
        print_ = self.console.out
        print_(f"normserve on {address} (pages of the API: {address}/docs). Submit a job:", highlight=False)
        body = '\'{"norm":"weight","init":true}\''
        print_(f"  curl -d {body} -H 'content-type: application/json' {address}/jobs", highlight=False)


def line_of(described: list[str]) -> str:
    """Return the line of the running jobs; the first few are described."""
    rest = len(described) - MOST_SHOWN
    return "  ".join([*described[:MOST_SHOWN], *([f"and {rest} more"] if rest > 0 else [])])


def _describe(job: Job) -> str:
    name = job.label or f"{job.norm}{'+init' if job.init else ''} seed {job.seed}"
    loss = (job.latest or {}).get("train_loss")
    return f"{name}: {job.step}/{job.steps}" + ("" if loss is None else f" loss {loss:.3f}")
