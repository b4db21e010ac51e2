"""Statistics of a sample, such as one arm over its seeds: location, spread, confidence intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
MIN_TO_BOOTSTRAP = 20  # with fewer, a percentile bootstrap covers far less than 95 %
RESAMPLES = 2_000

Interval = tuple[float, float]


@dataclass(frozen=True)
class Description:
    """The statistics of a sample; None for those that need more values."""

    n: int
    n_finite: int
    mean: float | None
    sd: float | None
    """Sample standard deviation, with n − 1 in the denominator."""
    interval: Interval | None
    """95 % confidence interval of the mean, by Student's t."""
    median: float | None
    iqm: float | None
    """Interquartile mean: the mean of the middle half."""
    iqm_interval: Interval | None
    """95 % confidence interval of the interquartile mean, by percentile bootstrap; from 20 values on."""
    min: float | None
    max: float | None


def describe(values: Sequence[float | None]) -> Description:
    """Compute the statistics of the finite values; None and non-finite values only count in `n`."""
    stats = _stats()
    known = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    finite = known[np.isfinite(known)]
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
    """Compute Student's t interval of the mean of `values`, shape [n]; return None if n < 2."""
    if len(values) < 2:
        return None
    mean = values.mean()
    [half] = half_width(np.array([values.std(ddof=1)]), np.array([len(values)]))
    return float(mean - half), float(mean + half)


def half_width(sd: NDArray[np.float64], n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute half the width of Student's t interval of means, from sample deviations and sizes n.

    Both have shape [k]; the result is NaN where n < 2.
    """
    stats = _stats()
    sizes, indices = np.unique(n, return_inverse=True)
    # Quantiles are slow to compute, and a curve has few different sizes.
    quantiles: NDArray[np.float64] = stats.t.ppf((1 + CONFIDENCE) / 2, sizes - 1)[indices]
    return quantiles * sd / np.sqrt(n)


def _iqm_interval(values: NDArray[np.float64]) -> Interval | None:
    if len(values) < MIN_TO_BOOTSTRAP:
        return None
    stats = _stats()
    interval = stats.bootstrap(
        (values,),
        lambda sample, axis: stats.trim_mean(sample, 0.25, axis=axis),
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _stats() -> Any:
    from scipy import stats  # noqa: PLC0415 # it takes half a second

    return stats
