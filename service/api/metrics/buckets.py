"""Buckets of a history as objects, columns and names of a table.

Each row has start, end and n, then the sums of each metric, and the names of those that were not finite.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from service.api.metrics.rows import NON_FINITE, Rows
from service.histories.thinned import SUMS

BOUNDS = ("start", "end", "n")


def as_bucket_objects(rows: Rows, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Make an object of each bucket, with an object per metric in it."""
    return [_object(row, keys, (row[-1] or "").split()) for row in rows]


def as_bucket_columns(rows: Rows, keys: Sequence[str]) -> dict[str, Any]:
    """Make a list of each bound, and an object of lists of each metric."""
    columns = list(zip(*rows, strict=True)) or [()] * (len(BOUNDS) + len(SUMS) * len(_metrics(keys)) + 1)
    return _object(columns, keys, [(names or "").split() for names in columns[-1]])


def bucket_names(keys: Sequence[str]) -> list[str]:
    """Name the columns of a table of buckets, without the last."""
    return [*BOUNDS, *(f"{key}_{name}" for key in _metrics(keys) for name in SUMS)]


def _object(row: Sequence[Any], keys: Sequence[str], non_finite: Sequence[Any]) -> dict[str, Any]:
    metrics = zip(_metrics(keys), _sums(row), strict=True)
    return {
        **dict(zip(BOUNDS, row, strict=False)),
        **{key: dict(zip(SUMS, sums, strict=True)) for key, sums in metrics},
        NON_FINITE: non_finite,
    }


def _sums(row: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(len(BOUNDS), len(row) - 1, len(SUMS)):
        yield row[first : first + len(SUMS)]


def _metrics(keys: Sequence[str]) -> list[str]:
    return [key for key in keys if key != "step"]
