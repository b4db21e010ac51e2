"""The processes of one machine: started together, restarted when they die, stopped together."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

STOP_SECONDS = 9
LONGEST_BACKOFF_SECONDS = 10.0
POLL_SECONDS = 0.1
RELAY_SECONDS = 0.2
BEGIN = b"\n"
API = "api"
"""The command that listens."""
MOST_LISTENERS = 16
MOST_SAID_BYTES = 4096


@dataclass
class Child:
    """One of our commands; the more often in a row it dies early, the later it is restarted."""

    command: str
    number: int = 0
    """Its place among the children; the process that is started in place of a dead one has the same."""
    process: subprocess.Popen[bytes] | None = None
    lifeline: socket.socket | None = None
    """Its standard input at our end: it begins when it reads from it, and ends when that is closed."""
    failures: int = 0
    started_at: float = 0
    next_start: float = field(default_factory=time.monotonic)


Relay = Callable[[str], None]


class Supervisor:
    """Keeps children running until asked to stop.

    With `piped`, their log lines go to the `relay` of `run`, as text, instead of to standard error.
    """

    def __init__(self, commands: list[str], piped: bool = False) -> None:
        self.children = [Child(command) for command in commands]
        self.piped = piped
        self.listeners: Sequence[socket.socket] = ()
        self.relay: Relay | None = None
        self.relaying: list[threading.Thread] = []
        self.counts: Path | None = None
        """A folder where the apis count together."""
        self.stop = threading.Event()
        self.at_once = threading.Event()

    @contextmanager
    def starting(self, command: str) -> Iterator[Self]:
        """Start a child early: it imports and waits for `run`, and ends if the block raises before that."""
        try:
            for child in self.children:
                if child.command == command:
                    self._restart_if_dead(child)
            yield self
        finally:
            for child in self.children:
                if child.process is not None and self.relay is None:  # it waits, and has done nothing yet
                    child.process.kill()
                    child.process.wait()
                _close_lifeline(child)

    def run(
        self,
        watch: Callable[[], None],
        relay: Relay | None = None,
        listeners: Sequence[socket.socket] = (),
        counts: Path | None = None,
    ) -> None:
        """Let the children begin and restart those that die, until asked to stop; call `watch` in between.

        Every api gets the sockets that listen. They stay open while an api is restarted, so that
        connections wait for it. It also gets the folder where the apis count together, and its number there.
        """
        self._heed_signals()
        self.relay, self.listeners = relay or _write_line, listeners
        self.counts = counts
        with _empty_folder(counts) if counts else nullcontext():
            self._keep_running(watch)

    def _keep_running(self, watch: Callable[[], None]) -> None:
        for number, child in enumerate(self.children):
            child.number = number
            self._let_begin(child)
        while not self.stop.is_set():
            for child in self.children:
                self._restart_if_dead(child)
            watch()
            self.stop.wait(POLL_SECONDS)
        self._end()

    def _heed_signals(self) -> None:
        def request_stop(*_: object) -> None:
            (self.at_once if self.stop.is_set() else self.stop).set()

        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, request_stop)

    def _restart_if_dead(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                return
            _close_lifeline(child)
            _schedule_restart(child, now, _reason(code))
            if self.counts:
                self._forget_streams(child)
        if now >= child.next_start:
            child.started_at = now
            try:
                child.process, child.lifeline = _start(child.command, self.piped)
            except OSError as error:  # no memory, or no free process: the others run meanwhile
                _schedule_restart(child, now, str(error))
            if self.relay:
                self._let_begin(child)

    def _forget_streams(self, child: Child) -> None:
        """Remove what a dead api counted of things that died with it; its other counts stay."""
        from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 # see below

        mark_process_dead(child.number, str(self.counts))  # type: ignore[no-untyped-call] # the library's is untyped

    def _let_begin(self, child: Child) -> None:
        process = child.process
        if process is None or child.lifeline is None:
            return
        if self.relay and process.stderr:
            relaying = threading.Thread(target=_relay_lines, args=(process.stderr, self.relay), daemon=True)
            relaying.start()
            self.relaying = [each for each in self.relaying if each.is_alive()] + [relaying]
        with suppress(OSError):  # it has died meanwhile
            if self.listeners and child.command == API:
                said = [BEGIN, f"{child.number} {self.counts or ''}".encode()]
                socket.send_fds(child.lifeline, said, [each.fileno() for each in self.listeners])
            else:
                child.lifeline.send(BEGIN)

    def _end(self) -> None:
        running = [child.process for child in self.children if child.process is not None]
        for listener in self.listeners:
            listener.close()
        for child in self.children:
            _close_lifeline(child)  # asks it to stop
        deadline = time.monotonic() + STOP_SECONDS
        while any(process.poll() is None for process in running):
            if self.at_once.is_set() or time.monotonic() > deadline:
                for process in running:
                    process.kill()
            time.sleep(POLL_SECONDS)  # no event to wait on: `stop` is set already
        for relaying in self.relaying:
            relaying.join(RELAY_SECONDS)  # a worker that is left may still have the pipe


class StopSignals:
    """Distinguishes a second signal to stop from the one with which a supervisor passes the first on.

    An init system signals all processes of a service, and then our supervisor asks its children as well.
    """

    def __init__(self) -> None:
        self._heard = False

    def is_second(self) -> bool:
        """Return whether this process must end at once: never when its parent stops it, which has a limit."""
        first, self._heard = not self._heard, True
        return not first and not _parent_stops.is_set()


_parent_stops = threading.Event()
"""Set when the parent has asked this process to stop, or has died."""


@dataclass
class Inheritance:
    """What an api gets from its parent."""

    listeners: list[socket.socket] = field(default_factory=list)
    """The sockets that listen."""
    counts: tuple[Path, int] | None = None
    """Where the apis count together, and the number of this one; None if it is alone."""


inherited = Inheritance()


def wait_for_parent() -> None:
    """Wait until the parent lets this process begin; end it if the parent has ended instead."""
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as lifeline:
        said, descriptors, _, _ = socket.recv_fds(lifeline, MOST_SAID_BYTES, MOST_LISTENERS)
    if not said:
        sys.exit(0)
    number, _, counts = said.removeprefix(BEGIN).decode().partition(" ")
    inherited.counts = (Path(counts), int(number)) if counts else None
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
        inherited.listeners.append(socket.socket(fileno=descriptor))
        inherited.listeners[-1].setblocking(False)  # or a copy would make it block in all processes


def end_at_once() -> None:
    """End this process as if it had no handler of SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)


def end_with_parent() -> None:
    """Stop this process when its parent closes its end of standard input, or dies, which closes it too."""

    def wait_for_end() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        _parent_stops.set()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_SECONDS)  # in case the orderly stop hangs
        os._exit(1)

    threading.Thread(target=wait_for_end, daemon=True).start()


@contextmanager
def _empty_folder(folder: Path) -> Iterator[None]:
    """Make an empty folder, whatever a killed supervisor has left there; remove it at the end."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(command: str, piped: bool) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    try:
        return _open(command, theirs, piped), ours
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()


def _open(command: str, lifeline: socket.socket, piped: bool) -> subprocess.Popen[bytes]:
    # In a new session, because Ctrl-C in a terminal must reach only the supervisor, which stops the children.
    # Workers are killed rather than closed; the resource tracker would complain of their semaphores.
    quiet = "ignore:resource_tracker"
    return subprocess.Popen(  # noqa: S603 # our own interpreter and our own command
        [sys.executable, "-W", quiet, "-m", "service", command, "--end-with-parent"],
        stdin=lifeline.fileno(),
        stderr=subprocess.PIPE if piped else None,
        env={**os.environ, "NORMSERVE_LOG_FORMAT": "text"} if piped else None,
        start_new_session=True,
    )


def _write_line(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 # the line of a log


def _relay_lines(lines: IO[bytes], relay: Relay) -> None:
    with lines:
        for line in lines:
            relay(line.decode(errors="replace").rstrip())


def _schedule_restart(child: Child, now: float, why: str) -> None:
    """Log why a child died, and double the wait before its restart each time that it dies early."""
    child.failures = 0 if now - child.started_at > LONGEST_BACKOFF_SECONDS else child.failures + 1
    wait = min(LONGEST_BACKOFF_SECONDS, 0.25 * 2 ** min(child.failures, 8))
    import structlog  # noqa: PLC0415 # the children start before anything slow is imported

    log = structlog.get_logger()
    log.error("a process died", process=child.command, why=why, restart_in_seconds=wait)
    child.process, child.next_start = None, now + wait


def _close_lifeline(child: Child) -> None:
    if child.lifeline is not None:
        child.lifeline.close()


def _reason(code: int) -> str:
    names = {number.value: number.name for number in signal.Signals}
    return f"signal {names.get(-code, -code)}" if code < 0 else f"exit code {code}"
