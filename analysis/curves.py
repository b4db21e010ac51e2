"""The histories of many runs as one curve with a band."""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.samples import half_width

BandKind = Literal["sd", "ci95", "minmax"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Mean and band, each of shape [n_steps]; NaN where too few runs have a value."""

    n: NDArray[np.int64]
    """The number of runs with a value at each step; a diverged run has none from then on."""
    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Spread:
    """Many histories at each step, each field of shape [n_steps]; NaN where too few have a value."""

    n: NDArray[np.int64]
    mean: Floats
    sd: Floats
    """Sample standard deviation."""
    min: Floats
    max: Floats


def spread(histories: Floats) -> Spread:
    """Sum up histories, shape [n_runs, n_steps], with NaN where a run has no value."""
    is_finite = np.isfinite(histories)
    known = np.where(is_finite, histories, np.nan)
    with warnings.catch_warnings():
        # NumPy warns of columns with too few values for a mean or deviation; these are NaN, as documented.
        warnings.simplefilter("ignore", RuntimeWarning)
        mean, sd = np.nanmean(known, 0), np.nanstd(known, 0, ddof=1)
    least, most = (reduce(known, 0, initial=np.nan) for reduce in (np.fmin.reduce, np.fmax.reduce))
    return Spread(is_finite.sum(0), mean, sd, least, most)


def mean_curve(histories: Floats, band: BandKind) -> Curve:
    """Compute the mean curve of histories, shape [n_runs, n_steps], with NaN where a run has no value."""
    found = spread(histories)
    if band == "minmax":
        return Curve(found.n, found.mean, found.min, found.max)
    half = half_width(found.sd, found.n) if band == "ci95" else found.sd
    return Curve(found.n, found.mean, found.mean - half, found.mean + half)


def evenly_spaced(n_steps: int, max_points: int) -> NDArray[np.int64]:
    """Return at most `max_points` evenly spaced indices of n_steps, including the first and the last."""
    return np.unique(np.linspace(0, n_steps - 1, min(n_steps, max_points)).round().astype(np.int64))
