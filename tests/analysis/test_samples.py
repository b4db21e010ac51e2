"""Statistics of a sample agree with scipy, and are None if there are too few values."""

import numpy as np
import pytest
from scipy import stats

from analysis.samples import MIN_TO_BOOTSTRAP, describe, mean_interval

SIMULATED = 2_000


def test_a_sample_is_described_as_scipy_does() -> None:
    values = np.random.default_rng(0).normal(0.94, 0.002, 10)

    found = describe(list(values))

    interval = stats.ttest_1samp(values, 0).confidence_interval()
    assert (found.n, found.n_finite, found.iqm_interval) == (10, 10, None)
    assert found.mean == pytest.approx(np.mean(values), rel=1e-12)
    assert found.sd == pytest.approx(stats.tstd(values), rel=1e-12)
    assert found.interval == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert found.median == np.median(values)
    assert found.iqm == pytest.approx(np.sort(values)[2:-2].mean(), rel=1e-12)
    assert (found.min, found.max) == (values.min(), values.max())


def test_one_value_has_no_spread() -> None:
    found = describe([0.5])

    assert (found.mean, found.median, found.iqm) == (0.5, 0.5, 0.5)
    assert (found.sd, found.interval) == (None, None)


@pytest.mark.parametrize("values", [[], [None, float("nan"), float("inf")]])
def test_no_finite_value_is_no_figure(values: list[float | None]) -> None:
    found = describe(values)

    assert (found.n, found.n_finite, found.mean, found.max) == (len(values), 0, None, None)


def test_values_that_are_missing_are_counted_and_left_out() -> None:
    found = describe([1.0, None, 3.0])

    assert (found.n, found.n_finite, found.mean) == (3, 2, 2.0)


def test_the_middle_half_has_an_interval_from_twenty_values_on() -> None:
    values = np.random.default_rng(1).normal(size=MIN_TO_BOOTSTRAP)

    found = describe(list(values))

    assert found.iqm is not None
    assert found.iqm_interval is not None
    assert found.iqm_interval[0] < found.iqm < found.iqm_interval[1]
    assert found == describe(list(values))


@pytest.mark.parametrize("n", [5, 10, 20])
def test_the_interval_covers_the_truth_as_often_as_it_says(n: int) -> None:
    generator = np.random.default_rng(n)
    covered = 0
    for _ in range(SIMULATED):
        low, high = mean_interval(generator.normal(0.003, 0.002, n)) or (0, 0)
        covered += low <= 0.003 <= high

    assert 0.93 <= covered / SIMULATED <= 0.97
