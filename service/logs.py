"""Structured logs on standard error: readable on a terminal, JSON lines elsewhere."""

import logging
import os
import sys
from typing import Any

import structlog

from service.json_lines import log_uncaught_errors, whole_lines
from service.settings import Settings

NOISY = (
    "distributed",
    "distributed.worker",
    "distributed.nanny",
    "distributed.scheduler",
    "alembic",
    "uvicorn.error",
)
LOST_TASK = "Task %s marked as failed because "
"""How Dask's scheduler begins an error of which the dispatcher logs what became of the jobs."""
RESTART = "Restarting worker"
"""How Dask's nanny begins to say that its worker has died."""


def is_readable(settings: Settings) -> bool:
    """Return whether logs are for people rather than JSON."""
    return sys.stderr.isatty() if settings.log_format == "auto" else settings.log_format == "text"


def configure_logs(settings: Settings) -> None:
    """Send our logs, the logs of libraries and warnings to standard error, in one format."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
    ]
    renderers: list[structlog.types.Processor] = [structlog.processors.JSONRenderer()]
    stream = whole_lines()
    if is_readable(settings):
        shared.append(structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True))
        plain = structlog.dev.plain_traceback
        console = structlog.dev.ConsoleRenderer(
            pad_event_to=0, pad_level=False, sort_keys=False, exception_formatter=plain
        )
        renderers, stream = [shorten_request, count_items, console], sys.stderr
    else:
        shared.append(structlog.processors.TimeStamper(fmt="iso", utc=True))
        shared.append(structlog.processors.format_exc_info)
        log_uncaught_errors()
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # The logging of the standard library takes three times as long for a line.
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers, root.level = [handler], level
    logging.captureWarnings(True)
    os.environ["DASK_LOGGING__DISTRIBUTED"] = "warning"  # where distributed is imported only later
    logging.getLogger("distributed").handlers.clear()
    logging.getLogger("distributed").propagate = True
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for name in ("distributed.scheduler", "distributed.nanny"):
        logging.getLogger(name).addFilter(put_plainly)


def shorten_request(
    _logger: object, _method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Write a request as one short line, such as `GET /jobs 200 1.3 ms`; an error of ours keeps its id."""
    if event.get("event") != "request":
        return event
    status, seconds = event.get("status"), event.get("seconds", 0.0)
    said = f"{event.get('method')} {event.get('path')} {status or 'left'} {1000 * seconds:.1f} ms"
    is_ours = status is not None and status >= 500
    kept = ("level", "timestamp", "code", *(("request_id",) if is_ours else ()))
    return {"event": said, **{name: event[name] for name in kept if name in event}}


def count_items(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Shorten each list to its only item, to its least and greatest number, or to its length."""
    return {name: _shortened(value) if isinstance(value, list) else value for name, value in event.items()}


def _shortened(items: list[Any]) -> Any:
    if len(items) == 1:
        return items[0]
    if not items or not all(isinstance(item, int) for item in items):
        return len(items)
    low, high = min(items), max(items)
    return low if low == high else f"{low} to {high}"


def put_plainly(record: logging.LogRecord) -> bool:
    """Show Dask's error about a lost task at level `debug` only, and the death of a worker in plain words."""
    message = str(record.msg)
    if message.startswith(LOST_TASK):
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    elif message.startswith(RESTART):
        record.msg, record.args = "a worker died; another one starts", ()
    return record.levelno >= logging.getLogger().level
