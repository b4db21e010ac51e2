"""Thinned histories: ordered subsets within the limit that keep what the receipt says."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.thinning import History, KeptPart, Receipt, Selecting, bucket, join, thin

METHODS: tuple[Selecting, ...] = ("minmax_lttb", "stride")
FIGURES = st.floats(-(2.0**20), 2.0**127, width=32, allow_subnormal=False)
EVERYTHING = ["first", "last", "min", "max", "non_finite"]

of_each_method = pytest.mark.parametrize("method", METHODS)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Series with values in every row, in some, or in none; steps with gaps; rows that are not finite."""
    n = draw(st.integers(0, 120))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    few = draw(st.lists(FIGURES, min_size=1, max_size=5))
    n_series = draw(st.integers(0, 4))
    values = random.normal(size=(n_series, n))
    values[random.random((n_series, n)) < 0.2] = draw(st.sampled_from(few))
    values[random.random((n_series, n)) > random.choice([0.05, 0.5, 1.0], (n_series, 1))] = np.nan
    is_bad = random.random(n) < draw(st.sampled_from([0.0, 0.1, 1.0]))
    return History(np.cumsum(random.integers(1, 4, n)), values, is_bad)


def history(n_rows: int, *series: Any, bad: Any = ()) -> History:
    is_bad = np.zeros(n_rows, bool)
    is_bad[list(bad)] = True
    return History(np.arange(1, n_rows + 1), np.array(series, float), is_bad)


def sparse(n_rows: int, every: int) -> Any:
    """A series that has a value in every nth row only."""
    return np.where(np.arange(1, n_rows + 1) % every == 0, np.arange(n_rows), np.nan)


def facts(whole: History, rows: Any) -> dict[str, tuple[int, int]]:
    """What survived, and of how many, counted without the module."""
    known = [values[~np.isnan(values)] for values in whole.values]
    left = [values[rows][~np.isnan(values[rows])] for values in whole.values]
    pairs = [(each, kept) for each, kept in zip(known, left, strict=True) if len(each)]
    ends = min(1, len(whole.steps))
    return {
        "first": (int(0 in rows), ends),
        "last": (int(len(whole.steps) - 1 in rows), ends),
        "min": (sum(each.min() in kept for each, kept in pairs), len(pairs)),
        "max": (sum(each.max() in kept for each, kept in pairs), len(pairs)),
        "non_finite": (int(whole.non_finite[rows].sum()), int(whole.non_finite.sum())),
    }


@given(histories(), st.integers(10, 60), st.sampled_from(METHODS))
def test_rows_are_an_ordered_subset_that_keeps_what_the_receipt_says(
    whole: History, max_points: int, method: Selecting
) -> None:
    rows, receipt = thin(whole, max_points, method)

    found = facts(whole, rows)
    assert (np.diff(rows) > 0).all()
    assert set(rows.tolist()) <= set(range(len(whole.steps)))
    assert len(rows) <= max_points
    assert (receipt.method, receipt.n_in, receipt.n_out) == (method, len(whole.steps), len(rows))
    assert receipt.kept == [what for what, (n, of) in found.items() if n == of]
    assert {part.what: (part.kept, part.of) for part in receipt.kept_in_part} == {
        what: counts for what, counts in found.items() if counts[0] < counts[1]
    }
    assert {"first", "last"} <= {*receipt.kept}


@given(histories(), st.integers(10, 60), st.sampled_from(METHODS), st.sets(st.integers(0, 120)))
def test_rows_do_not_depend_on_how_the_history_was_read(
    whole: History, max_points: int, method: Selecting, cuts: set[int]
) -> None:
    bounds = [0, *sorted(cut for cut in cuts if cut < len(whole.steps)), len(whole.steps)]
    parts = [
        History(whole.steps[cut], whole.values[:, cut], whole.non_finite[cut])
        for cut in map(slice, bounds, bounds[1:])
    ]

    at_once, in_parts = thin(whole, max_points, method), thin(join(parts), max_points, method)

    assert (at_once[0].tolist(), at_once[1]) == (in_parts[0].tolist(), in_parts[1])


@given(histories(), st.integers(10, 60))
def test_what_must_survive_survives_where_it_fits(whole: History, max_points: int) -> None:
    needed = 2 + 2 * len(whole.values) + int(whole.non_finite.sum())

    receipts = [thin(whole, max_points, method)[1] for method in METHODS]

    assert needed > max_points or [each.kept for each in receipts] == [EVERYTHING, EVERYTHING]


@of_each_method
def test_a_history_that_fits_is_kept_whole(method: Selecting) -> None:
    rows, receipt = thin(history(10, range(10)), 10, method)

    assert rows.tolist() == list(range(10))
    assert receipt == Receipt(method, 10, 10, EVERYTHING, [])


@of_each_method
def test_an_empty_window_is_thinned_to_nothing(method: Selecting) -> None:
    rows, receipt = thin(history(0, []), 10, method)

    assert rows.tolist() == []
    assert receipt == Receipt(method, 0, 0, EVERYTHING, [])


@of_each_method
def test_more_rows_that_are_not_finite_than_fit_are_kept_in_part(method: Selecting) -> None:
    rows, receipt = thin(history(5000, np.arange(5000), bad=range(5000)), 10, method)

    assert (rows[0], rows[-1], len(rows)) == (0, 4999, 10)
    assert receipt.document() == {
        "method": method,
        "n_in": 5000,
        "n_out": 10,
        "kept": ["first", "last", "min", "max"],
        "kept_in_part": [{"what": "non_finite", "kept": 10, "of": 5000}],
    }


@of_each_method
def test_more_extremes_than_fit_are_kept_in_part(method: Selecting) -> None:
    random = np.random.default_rng(0)

    _, receipt = thin(history(100, *random.random((6, 100))), 10, method)

    assert (receipt.n_out, receipt.kept) == (10, ["first", "last", "non_finite"])
    assert receipt.kept_in_part == [KeptPart("min", 4, 6), KeptPart("max", 4, 6)]


@of_each_method
def test_every_evaluation_survives_beside_a_dense_series(method: Selecting) -> None:
    whole = history(1000, np.sin(np.arange(1000)), sparse(1000, 100), sparse(1000, 100))

    rows, _ = thin(whole, 50, method)

    assert set(range(99, 1000, 100)) <= set(rows.tolist())
    assert len(rows) == 50


@of_each_method
def test_rows_without_values_are_dropped_first(method: Selecting) -> None:
    rows, _ = thin(history(1000, sparse(1000, 100)), 50, method)

    assert rows.tolist() == [0, *range(99, 1000, 100)]


@of_each_method
def test_without_any_value_rows_are_evenly_spaced(method: Selecting) -> None:
    rows, _ = thin(history(1001, np.full(1001, np.nan)), 11, method)

    assert rows.tolist() == [0, 125, 250, 251, 375, 500, 625, 750, 751, 875, 1000]


def test_the_largest_triangles_show_a_peak_that_a_stride_misses() -> None:
    values = np.zeros(1000)
    values[[501, 502, 700]] = [-1.0, 1.0, 0.9]

    rows, _ = thin(history(1000, values), 20, "minmax_lttb")

    assert {501, 502, 700} <= {*rows.tolist()}


def test_a_bucket_sums_up_its_rows() -> None:
    whole = history(5, [1, 5, 3, np.nan, 7], [np.nan, np.nan, 2, np.nan, np.nan], bad=[3])

    buckets, receipt = bucket(whole, 2)

    none = np.nan
    assert (buckets.start.tolist(), buckets.end.tolist(), buckets.n_rows.tolist()) == ([1, 3], [2, 5], [2, 3])
    assert buckets.n.tolist() == [[2, 2], [0, 1]]
    np.testing.assert_equal(buckets.mean, [[3, 5], [none, 2]])
    np.testing.assert_equal(buckets.min, [[1, 3], [none, 2]])
    np.testing.assert_equal(buckets.max, [[5, 7], [none, 2]])
    np.testing.assert_equal(buckets.first, [[1, 3], [none, 2]])
    np.testing.assert_equal(buckets.last, [[5, 7], [none, 2]])
    assert receipt == Receipt("bucket", 5, 2, EVERYTHING, [])


@given(histories(), st.integers(10, 60))
def test_buckets_cover_each_row_once_and_keep_the_extremes(whole: History, max_points: int) -> None:
    buckets, receipt = bucket(whole, max_points)

    edges = [*buckets.bounds.tolist(), len(whole.steps)]
    slices = [whole.values[:, cut] for cut in map(slice, edges, edges[1:])]
    assert receipt.n_out == len(buckets.start) == min(max_points, len(whole.steps))
    assert buckets.n_rows.tolist() == [part.shape[1] for part in slices]
    assert buckets.n.T.tolist() == [(~np.isnan(part)).sum(1).tolist() for part in slices]
    for found, expected in ((buckets.min, np.fmin), (buckets.max, np.fmax)):
        np.testing.assert_equal(
            found, np.array([expected.reduce(part, 1) for part in slices]).T.reshape(found.shape)
        )
