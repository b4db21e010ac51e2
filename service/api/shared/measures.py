"""What an api process counts of its requests; the processes of one port count in files that they share."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import prometheus_client
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import Scope

from service.edge.operations import Operation
from service.edge.problems import problem_of

PREDICTION_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PREDICTING = {"predict", "infer"}
"""How the paths of predictions end."""
OTHER = "other"
"""The route of a request for an unknown path or method, and the method if it is unknown too."""
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
NO_RESPONSE = "none"
"""The status of a request whose client has left before the response."""

FILE_BYTES = {"counter": 256 * 1024, "histogram": 128 * 1024, "gauge_livesum": 8 * 1024}
"""Several times what the bounded labels need. The files are mapped into memory: a page that has no room on
its disk would kill the process."""

log = structlog.get_logger()

FindOperation = Callable[[Scope], Operation | None]


class _Kind(NamedTuple):
    """What the requests share that are counted together; `status` is the first digit, or 0 for none."""

    path: str | None
    method: str
    status: int


class Shared(NamedTuple):
    """Where the processes of one port count together, and the number of this one among them.

    A process that takes the place of a dead one gets its number, and continues its counts.
    """

    folder: Path
    number: int


class Measures:
    """What one api process counts; with `shared`, in files, so that each process can export all counts."""

    def __init__(self, shared: Shared | None = None) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call] # the library's is untyped
        self.shared = shared if shared is not None and _has_room(shared) else None
        if shared is not None and self.shared is not None:
            # The library reads the folder from nowhere else.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared.folder)
            values.ValueClass = values.MultiProcessValue(lambda: shared.number)  # type: ignore[no-untyped-call] # as above
        self.own = CollectorRegistry()
        self._requests = Counter(
            "normserve_http_requests",
            "HTTP requests, by the template of their route.",
            ["method", "route", "status"],
            registry=self.own,
        )
        self._refused = Counter(
            "normserve_http_refusals",
            "HTTP requests that were refused or failed, by the code of the problem.",
            ["code"],
            registry=self.own,
        )
        self._predictions = Histogram(
            "normserve_prediction_duration_seconds",
            "Time that successful predictions took, from the head of the request to the end of the response.",
            ["route"],
            buckets=PREDICTION_SECONDS,
            registry=self.own,
        )
        self.streams = Gauge(
            "normserve_streams",
            "Streams of events that are open.",
            multiprocess_mode="livesum",
            registry=self.own,
        )
        self._counting: dict[_Kind, tuple[Counter, Histogram | None]] = {}

    def note_request(self, find: FindOperation, scope: Scope, status: int | None, seconds: float) -> None:
        """Count a request that has ended; without a status if its client has left."""
        code = problem_of(scope)
        if code is not None:
            self.note_refusal(code)
        operation = find({**scope, "method": "GET"} if scope["method"] == "HEAD" else scope)
        kind = _Kind(operation.path if operation else None, scope["method"], (status or 0) // 100)
        requests, predictions = self._counting.get(kind) or self._count(kind)
        requests.inc()
        if predictions is not None:
            predictions.observe(seconds)

    def note_refusal(self, code: str) -> None:
        """Count a request that was refused or failed."""
        self._refused.labels(code).inc()

    def collect(self) -> Iterable[Metric]:
        """Return the counts."""
        if self.shared is None:
            return self.own.collect()
        files = list(_written(self.shared.folder))
        found: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call] # as above
        return found

    def _count(self, kind: _Kind) -> tuple[Counter, Histogram | None]:
        """Make what counts requests of a kind: to look labels up takes longer than to count."""
        method = kind.method if kind.path or kind.method in METHODS else OTHER
        status = f"{kind.status}xx" if kind.status else NO_RESPONSE
        requests = self._requests.labels(method, kind.path or OTHER, status)
        predicts = kind.path and kind.path.rpartition("/")[2] in PREDICTING and kind.status == 2
        counting = requests, self._predictions.labels(kind.path) if predicts else None
        if kind.path:
            self._counting[kind] = counting
        return counting


def _has_room(shared: Shared) -> bool:
    """Write the files of a process before they are mapped, unless they exist; return False on a full disk."""
    try:
        for kind, size in FILE_BYTES.items():
            file = shared.folder / f"{kind}_{shared.number}.db"
            if not file.exists():
                file.write_bytes(bytes(size))
    except OSError as error:
        log.warning(
            "this api counts alone: no room for its counts", folder=str(shared.folder), reason=str(error)
        )
        return False
    return True


def _written(folder: Path) -> Iterator[str]:
    """Yield the files of a folder: without those that are empty still, or gone with their process."""
    for file in folder.glob("*.db"):
        with suppress(FileNotFoundError):
            if file.stat().st_size:
                yield str(file)
