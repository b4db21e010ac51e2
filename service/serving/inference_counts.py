"""How many inferences each version of a model has made in this process, and how long they took."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from cachetools import LRUCache

MOST_VERSIONS = 1024
STAGES = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")


class Stopwatch:
    """The nanoseconds that one request has taken so far, altogether and computing each stage."""

    def __init__(self) -> None:
        self.started = time.perf_counter_ns()
        self.spent = dict.fromkeys(STAGES[3:], 0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        began = time.perf_counter_ns()
        yield
        self.spent[name] += time.perf_counter_ns() - began

    def total(self) -> int:
        """Return the nanoseconds since the request began."""
        return time.perf_counter_ns() - self.started


@dataclass
class _Counts:
    times: dict[str, list[int]] = field(default_factory=lambda: {name: [0, 0] for name in STAGES})
    """Of each stage: how often, and nanoseconds."""
    last_ms: int = 0
    n_rows: int = 0
    n_executions: int = 0


class InferenceCounts:
    """Counts by model and version; of many versions, those used least recently are dropped."""

    def __init__(self) -> None:
        self._counts: LRUCache[tuple[str, str], _Counts] = LRUCache(MOST_VERSIONS)
        self._lock = Lock()

    def add(self, model: str, version: str, watch: Stopwatch, n_rows: int | None) -> None:
        """Count a request that has been made; without rows, one that failed."""
        total = watch.total()
        with self._lock:
            counts = self._counts.setdefault((model, version), _Counts())
            if n_rows is None:
                _count(counts, {"fail": total})
                return
            queue = max(0, total - sum(watch.spent.values()))
            _count(counts, {"success": total, "queue": queue, **watch.spent})
            counts.n_rows += n_rows
            counts.n_executions += 1
            counts.last_ms = time.time_ns() // 1_000_000

    def read(self, model: str, versions: Sequence[str]) -> list[dict[str, Any]]:
        """Return the statistics of these versions, as the statistics extension of the protocol has them."""
        with self._lock:
            found = [self._counts.get((model, version)) or _Counts() for version in versions]
            return [
                _statistics(model, version, counts) for version, counts in zip(versions, found, strict=True)
            ]


def _count(counts: _Counts, nanoseconds: dict[str, int]) -> None:
    for name, spent in nanoseconds.items():
        times = counts.times[name]
        counts.times[name] = [times[0] + 1, times[1] + spent]


def _statistics(model: str, version: str, counts: _Counts) -> dict[str, Any]:
    return {
        "name": model,
        "version": version,
        "last_inference": counts.last_ms,
        "inference_count": counts.n_rows,
        "execution_count": counts.n_executions,
        "inference_stats": {name: {"count": n, "ns": ns} for name, (n, ns) in counts.times.items()},
        "batch_stats": [],
    }
