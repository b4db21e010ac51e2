"""Structured logs on standard error: readable on a terminal, JSON lines elsewhere."""

import logging
import os
import sys

import structlog

from service.json_lines import log_uncaught_errors
from service.settings import Settings

NOISY = ("distributed", "distributed.worker", "distributed.nanny", "distributed.scheduler", "alembic")


def is_readable(settings: Settings) -> bool:
    """Return whether logs are for people rather than JSON."""
    return sys.stderr.isatty() if settings.log_format == "auto" else settings.log_format == "text"


def configure_logs(settings: Settings) -> None:
    """Send our logs, the logs of libraries and warnings to standard error, in one format."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.types.Processor = structlog.processors.JSONRenderer()
    if is_readable(settings):
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    else:
        shared.append(structlog.processors.format_exc_info)
        log_uncaught_errors()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
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
