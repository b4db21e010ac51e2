"""Standard error on which every line is JSON, from the first one on, where NORMSERVE_LOG_FORMAT is json.

It needs no settings, and imports nothing slow: it is in place before both.
"""

import io
import json
import os
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

BOX = " \t╭─╮│╰╯"
"""What surrounds an error of the command line."""


class JsonLines(io.TextIOBase):
    """A stream that passes JSON lines on, and wraps any other line in one."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._begun = ""
        self._lock = threading.RLock()  # a signal's handler may write during a write

    def write(self, text: str) -> int:
        """Write the lines that end in this text; keep the rest until its line ends."""
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
            for line in filter(None, (each.strip(BOX) for each in lines)):
                self.stream.write(f"{line if _is_json(line) else _event(line)}\n")
        return len(text)

    def flush(self) -> None:
        """Flush the stream below."""
        self.stream.flush()


def whole_lines() -> TextIO:
    """Return standard error for those who write only whole lines of JSON, which nobody needs to check."""
    return sys.stderr.stream if isinstance(sys.stderr, JsonLines) else sys.stderr


def use_if_asked_for() -> None:
    """Make standard error such a stream, if NORMSERVE_LOG_FORMAT is json."""
    values = (value for name, value in os.environ.items() if name.upper() == "NORMSERVE_LOG_FORMAT")
    if any(value.lower() == "json" for value in values):
        sys.stderr = JsonLines(sys.stderr)
        log_uncaught_errors()


def log_uncaught_errors() -> None:
    """Write an error that nobody catches as one JSON line, its traceback included."""
    sys.excepthook = _log_error
    threading.excepthook = lambda failed: _log_error(failed.exc_type, failed.exc_value, failed.exc_traceback)


def _log_error(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    lines = traceback.format_exception(kind, error, trace)
    event = _event("an error that nobody caught", exception="".join(lines).rstrip())
    print(event, file=sys.stderr)  # noqa: T201 # a log line


def _event(text: str, **more: str) -> str:
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return json.dumps({"event": text, "level": "error", "timestamp": at, **more})


def _is_json(line: str) -> bool:
    if not line.startswith("{"):
        return False
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
