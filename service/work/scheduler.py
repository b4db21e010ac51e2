"""The scheduler of an engine, prepared before its first task; Dask preloads this module."""

from typing import Any

from distributed.spans import SpansSchedulerExtension


class NoSpans(SpansSchedulerExtension):
    """Spans of no task: Dask's own keep the statistics of each task as long as the scheduler lives."""

    def observe_tasks(self, *_: Any, **__: Any) -> dict[Any, Any]:
        """Give no task a span."""
        return {}

    def heartbeat(self, *_: Any) -> None:
        """Forget what workers have measured: it belongs to no span."""


def dask_setup(scheduler: Any) -> None:
    """Replace Dask's spans before a client or a worker connects."""
    scheduler.extensions["spans"] = NoSpans(scheduler)
