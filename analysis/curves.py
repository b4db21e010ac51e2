"""Histories of many runs as one curve with a band, step by step."""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.samples import CONFIDENCE

BandKind = Literal["sd", "ci95", "minmax"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Mean and band, each of shape [n_steps]; NaN where too few runs have a figure."""

    n: NDArray[np.int64]
    """The runs that have a figure there: one that diverged has none any more."""
    mean: Floats
    low: Floats
    high: Floats


def curve(histories: Floats, band: BandKind) -> Curve:
    """Join histories, shape [n_runs, n_steps], NaN where a run has no figure."""
    found = np.isfinite(histories)
    n = found.sum(0)
    known = np.where(found, histories, np.nan)
    with warnings.catch_warnings():
        # numpy warns of columns with too few figures for a mean or a deviation: those are NaN, as promised.
        warnings.simplefilter("ignore", RuntimeWarning)
        mean = np.nanmean(known, 0)
        if band == "minmax":
            return Curve(n, mean, np.nanmin(known, 0), np.nanmax(known, 0))
        half = np.nanstd(known, 0, ddof=1)
        if band == "ci95":
            half = half * _t_quantiles(n) / np.sqrt(n)
    return Curve(n, mean, mean - half, mean + half)


def _t_quantiles(n: NDArray[np.int64]) -> Floats:
    """Answer those of a mean of n, computed once for each n: few are different, and each takes long."""
    sizes, places = np.unique(n, return_inverse=True)
    found: Floats = stats.t.ppf((1 + CONFIDENCE) / 2, sizes - 1)[places]
    return found


def thin(n_steps: int, max_points: int) -> NDArray[np.int64]:
    """Choose at most so many places among n_steps, evenly, the first and the last with them."""
    return np.unique(np.linspace(0, n_steps - 1, min(n_steps, max_points)).round().astype(np.int64))
