"""Long histories as fewer rows, with a receipt that says which rows survived.

The same history gives the same rows, however it was read, and never more than `max_points` of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tsdownsample import MinMaxLTTBDownsampler

from analysis.curves import Floats, evenly_spaced

Selecting = Literal["minmax_lttb", "stride"]
"""The methods that keep some of the rows as they are."""
Method = Literal["minmax_lttb", "stride", "bucket"]
Mask = NDArray[np.bool_]
Indices = NDArray[np.int64]

FEWEST_OF_LTTB = 3


@dataclass(frozen=True)
class History:
    """Some series over the same ascending steps."""

    steps: NDArray[np.int64]
    """Shape [n_rows]."""
    values: Floats
    """Shape [n_series, n_rows]; NaN where a series has no finite value."""
    non_finite: Mask
    """Shape [n_rows]: whether a value was measured and was not finite."""


@dataclass(frozen=True)
class KeptPart:
    """Rows or series of a kind of which not all fitted."""

    what: str
    """min and max count series, non_finite counts rows."""
    kept: int
    of: int


@dataclass(frozen=True)
class Receipt:
    """What thinning did to a history."""

    method: Method
    n_in: int
    n_out: int
    kept: list[str]
    """Of first, last, min, max and non_finite, those that were kept for every series and row."""
    kept_in_part: list[KeptPart]
    """The others, because max_points has no room for all of them."""

    def document(self) -> dict[str, Any]:
        """Return the receipt as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Buckets:
    """Consecutive rows summed up: fields of shape [n_buckets], or [n_series, n_buckets]."""

    bounds: Indices
    """The index of the first row of each bucket."""
    start: NDArray[np.int64]
    """The first step."""
    end: NDArray[np.int64]
    """The last step."""
    n_rows: NDArray[np.int64]
    n: NDArray[np.int64]
    """The number of finite values of each series; where it is 0, the other figures of the series are NaN."""
    mean: Floats
    min: Floats
    max: Floats
    first: Floats
    last: Floats


def join(parts: Sequence[History]) -> History:
    """Return consecutive parts of a history as one."""
    return History(
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.values for part in parts], axis=1),
        np.concatenate([part.non_finite for part in parts]),
    )


def thin(history: History, max_points: int, method: Selecting) -> tuple[Indices, Receipt]:
    """Return the ascending indices of at most `max_points` rows, and the receipt."""
    return minmax_lttb(history, max_points) if method == "minmax_lttb" else stride(history, max_points)


def minmax_lttb(history: History, max_points: int) -> tuple[Indices, Receipt]:
    """Keep the rows that show the shape of each series: MinMaxLTTB (Van Der Donckt et al. 2023).

    Rows that must survive are kept first, as far as they fit, then those that sparse series need.
    """

    def choose(rows: Indices, series: Floats, room: int) -> Iterator[Indices]:
        share = max(room // max(len(series), 1), 1)
        for values in series:
            yield _largest_triangles(history.steps[rows], values, share)
        if not len(series):
            yield evenly_spaced(len(rows), room)

    return _select(history, max_points, "minmax_lttb", choose)


def stride(history: History, max_points: int) -> tuple[Indices, Receipt]:
    """Keep evenly spaced rows, and beside them those that must survive and those that sparse series need."""

    def choose(rows: Indices, _series: Floats, room: int) -> Iterator[Indices]:
        yield evenly_spaced(len(rows), room)

    return _select(history, max_points, "stride", choose)


def bucket(history: History, max_points: int) -> tuple[Buckets, Receipt]:
    """Divide the rows into at most `max_points` buckets of nearly equal size, and sum up each."""
    n_rows = len(history.steps)
    n_buckets = min(n_rows, max_points)
    bounds = np.arange(n_buckets, dtype=np.int64) * n_rows // max(n_buckets, 1)
    kept = ["first", "last", "min", "max", "non_finite"]
    return _sums(history, bounds), Receipt("bucket", n_rows, n_buckets, kept, [])


Choose = Callable[[Indices, Floats, int], Iterator[Indices]]
"""Choose among rows, by index, that some series have: their values, [n_series, n_rows], and the room left."""


def _select(history: History, max_points: int, method: Selecting, choose: Choose) -> tuple[Indices, Receipt]:
    kept = np.ones(len(history.steps), np.bool_)
    if len(kept) > max_points:
        kept = _must_survive(history, max_points)
        groups = _by_presence(history.values)
        for left, (rows, series) in zip(range(len(groups), 0, -1), groups, strict=True):
            room = (max_points - int(kept.sum())) // left
            if len(rows) <= room:
                kept[rows] = True
            elif room:
                _keep(kept, rows, choose(rows, series, room), room)
        # Where series choose the same rows, there is room for more.
        _fill(kept, groups[-1][0], max_points)
    return np.flatnonzero(kept), _receipt(method, history, kept)


def _keep(kept: Mask, rows: Indices, choices: Iterator[Indices], room: int) -> None:
    """Keep the rows of each choice, but never more new ones than there is room for."""
    most = int(kept.sum()) + room
    for chosen in choices:
        kept[rows[chosen][: most - int(kept.sum())]] = True


def _fill(kept: Mask, rows: Indices, max_points: int) -> None:
    """Keep the middles of equal parts of these rows, until there are `max_points`."""
    others = rows[~kept[rows]]
    room = min(len(others), max_points - int(kept.sum()))
    kept[others[(2 * np.arange(room) + 1) * len(others) // max(2 * room, 1)]] = True


def _must_survive(history: History, max_points: int) -> Mask:
    """Keep first, last, the extremes of each series and rows that are not finite, in this order."""
    kept = np.zeros(len(history.steps), np.bool_)
    kept[[0, -1]] = True
    for values in history.values:
        for extreme in _extremes(values):
            has_it = values == extreme
            if not (kept & has_it).any() and kept.sum() < max_points:
                kept[has_it.argmax()] = True
    others = np.flatnonzero(history.non_finite & ~kept)
    kept[others[evenly_spaced(len(others), max_points - int(kept.sum()))]] = True
    return kept


def _extremes(values: Floats) -> tuple[float, ...]:
    known = values[~np.isnan(values)]
    return (known.min(), known.max()) if len(known) else ()


def _by_presence(values: Floats) -> list[tuple[Indices, Floats]]:
    """Group series that have values in the same rows: the rows, and the values; the sparsest first.

    Without any value, all rows are one group that has no series.
    """
    groups: dict[bytes, list[int]] = {}
    for place, series in enumerate(values):
        groups.setdefault(np.isnan(series).tobytes(), []).append(place)
    found = []
    for places in groups.values():
        rows = np.flatnonzero(~np.isnan(values[places[0]]))
        found.append((rows, values[places][:, rows]))
    found = sorted((each for each in found if len(each[0])), key=lambda each: len(each[0]))
    return found or [(np.arange(values.shape[1]), values[:0])]


def _largest_triangles(steps: NDArray[np.int64], values: Floats, share: int) -> Indices:
    if share < FEWEST_OF_LTTB or len(steps) <= share:
        return evenly_spaced(len(steps), share)
    thinner = MinMaxLTTBDownsampler()  # type: ignore[no-untyped-call] # its only function without types
    chosen = thinner.downsample(steps, np.ascontiguousarray(values), n_out=share)
    return np.asarray(chosen, np.int64)


def _receipt(method: Selecting, history: History, kept: Mask) -> Receipt:
    """Say what is among the kept rows."""
    series = [(values, _extremes(values)) for values in history.values]
    known = [(values, extremes) for values, extremes in series if extremes]
    counts = {
        "first": (int(kept[:1].sum()), len(kept[:1])),
        "last": (int(kept[-1:].sum()), len(kept[-1:])),
        "min": (sum(bool((kept & (values == least)).any()) for values, (least, _) in known), len(known)),
        "max": (sum(bool((kept & (values == most)).any()) for values, (_, most) in known), len(known)),
        "non_finite": (int((kept & history.non_finite).sum()), int(history.non_finite.sum())),
    }
    return Receipt(
        method,
        n_in=len(kept),
        n_out=int(kept.sum()),
        kept=[what for what, (n, of) in counts.items() if n == of],
        kept_in_part=[KeptPart(what, n, of) for what, (n, of) in counts.items() if n < of],
    )


def _sums(history: History, bounds: Indices) -> Buckets:
    n_rows = len(history.steps)
    if not n_rows:
        none = np.empty((len(history.values), 0))
        steps, counts = history.steps, none.astype(np.int64)
        return Buckets(bounds, steps, steps, steps, counts, none, none, none, none, none)
    values, is_known = history.values, ~np.isnan(history.values)
    n = np.add.reduceat(is_known, bounds, axis=1, dtype=np.int64)
    ends = np.append(bounds[1:], n_rows) - 1
    places = np.arange(n_rows)
    first = np.minimum.reduceat(np.where(is_known, places, n_rows - 1), bounds, axis=1)
    last = np.maximum.reduceat(np.where(is_known, places, 0), bounds, axis=1)
    series = np.arange(len(values))[:, None]

    def only_known(figures: Floats) -> Floats:
        return np.where(n > 0, figures, np.nan)

    return Buckets(
        bounds=bounds,
        start=history.steps[bounds],
        end=history.steps[ends],
        n_rows=ends - bounds + 1,
        n=n,
        mean=only_known(np.add.reduceat(np.where(is_known, values, 0.0), bounds, axis=1) / np.maximum(n, 1)),
        min=only_known(np.minimum.reduceat(np.where(is_known, values, np.inf), bounds, axis=1)),
        max=only_known(np.maximum.reduceat(np.where(is_known, values, -np.inf), bounds, axis=1)),
        first=only_known(values[series, first]),
        last=only_known(values[series, last]),
    )
