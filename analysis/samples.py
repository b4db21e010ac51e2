"""Figures of one arm over its seeds: location, spread, and how sure the mean is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
FEWEST_TO_RESAMPLE = 20  # below, a percentile bootstrap covers far less than it says
RESAMPLES = 2_000

Interval = tuple[float, float]


@dataclass(frozen=True)
class Description:
    """A sample in figures; those that it is too small for are None."""

    n: int
    n_finite: int
    mean: float | None
    sd: float | None
    """With n − 1 in the denominator."""
    interval: Interval | None
    """Of the mean: Student's t, 95 %."""
    median: float | None
    iqm: float | None
    """Interquartile mean: that of the middle half."""
    iqm_interval: Interval | None
    """Percentile bootstrap, 95 %; from 20 values on."""
    min: float | None
    max: float | None


def describe(values: Sequence[float | None]) -> Description:
    """Describe the finite ones of these values; None and not finite ones are counted only."""
    found = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    finite = found[np.isfinite(found)]
    if not len(finite):
        return Description(len(values), 0, None, None, None, None, None, None, None, None)
    return Description(
        n=len(values),
        n_finite=len(finite),
        mean=float(finite.mean()),
        sd=float(finite.std(ddof=1)) if len(finite) > 1 else None,
        interval=mean_interval(finite),
        median=float(np.median(finite)),
        iqm=float(stats.trim_mean(finite, 0.25)),
        iqm_interval=_iqm_interval(finite),
        min=float(finite.min()),
        max=float(finite.max()),
    )


def mean_interval(values: NDArray[np.float64]) -> Interval | None:
    """Student's t interval of the mean of `values`, shape [n]; None where n is 1 or 0."""
    n = len(values)
    if n < 2:
        return None
    half = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n)
    mean = values.mean()
    return float(mean - half), float(mean + half)


def _iqm_interval(values: NDArray[np.float64]) -> Interval | None:
    if len(values) < FEWEST_TO_RESAMPLE:
        return None
    found = stats.bootstrap(
        (values,),
        lambda sample, axis: stats.trim_mean(sample, 0.25, axis=axis),
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)
