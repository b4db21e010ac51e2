"""A window of a history with fewer rows, as plain values."""

from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.thinning import Buckets, History, Method, bucket, thin
from service.histories.reading import Columns, read_columns
from service.store.database import Database
from service.store.metrics import KEYS, Window

AXES = frozenset({"step", "elapsed_seconds"})
"""Keys that never fall: their extremes are the first and the last row, and they have no shape to keep."""
SUMS = ("n", "mean", "min", "max", "first", "last")
"""What a bucket has of each metric, in this order."""


@dataclass(frozen=True)
class Thinned:
    """The rows that are left of a window, and the receipt."""

    rows: list[tuple[Any, ...]]
    """As `metrics.read` returns them; or for buckets start, end and n, then the sums of each metric, and the
    names of metrics that were not finite."""
    receipt: dict[str, Any]


def thin_window(
    database: Database, job_key: int, window: Window, keys: Sequence[str], method: Method, max_points: int
) -> Generator[int, None, Thinned]:
    """Thin a window of a job's history, in slices for a pool; `step` is the first of the keys."""
    columns = yield from read_columns(database, job_key, window, [key for key in keys if key != "step"])
    if method == "bucket":
        buckets, receipt = bucket(_history(columns, columns.keys), max_points)
        return Thinned(_sums(columns, buckets), receipt.document())
    kept, receipt = thin(_history(columns, [key for key in keys if key not in AXES]), max_points, method)
    figures = _plain(columns.values[:, kept])
    names = [columns.names[code] or None for code in columns.non_finite[kept].tolist()]
    steps: list[int] = columns.steps[kept].tolist()
    rows = list(zip(steps, *figures, names, strict=True))
    return Thinned(rows, receipt.document())


def _history(columns: Columns, keys: Sequence[str]) -> History:
    places = [columns.keys.index(key) for key in keys]
    return History(columns.steps, columns.values[places], columns.non_finite > 0)


def _plain(values: Any) -> Any:
    """Return numbers as Python has them, and None for NaN."""
    plain: Any = np.where(np.isnan(values), None, values)
    return plain.tolist()


def _sums(columns: Columns, buckets: Buckets) -> list[tuple[Any, ...]]:
    bounds = [each.tolist() for each in (buckets.start, buckets.end, buckets.n_rows)]
    figures = [
        [buckets.n[place].tolist(), *(_plain(getattr(buckets, name)[place]) for name in SUMS[1:])]
        for place in range(len(columns.keys))
    ]
    flat = [column for each in figures for column in each]
    names = _names_of_buckets(columns, buckets)
    return list(zip(*bounds, *flat, names, strict=True))


def _names_of_buckets(columns: Columns, buckets: Buckets) -> list[str | None]:
    """Join the names of metrics that were not finite in the rows of each bucket."""
    rows = np.flatnonzero(columns.non_finite)
    places = np.searchsorted(buckets.bounds, rows, side="right") - 1
    pairs = np.unique(np.stack([places, columns.non_finite[rows].astype(np.int64)]), axis=1)
    found: defaultdict[int, set[str]] = defaultdict(set)
    for place, code in pairs.T.tolist():
        found[place].update(columns.names[code].split())
    joined = (" ".join(sorted(found[place], key=KEYS.index)) for place in range(len(buckets.bounds)))
    return [names or None for names in joined]
