"""Paired differences between two arms, taken seed by seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from analysis.samples import Interval, mean_interval

MAX_EXACT = 16  # seeds for which all 2ⁿ sign flips are counted
FLIPS = 20_000
BLOCKS = 20  # signs are converted to doubles one block at a time, to save memory
ROUNDING = 4 * np.finfo(np.float64).eps  # bounds what each figure and each addition adds to a sum's error


@dataclass(frozen=True)
class PairedDifference:
    """Arm minus baseline, over the seeds in which both have a value."""

    n: int
    mean: float | None
    interval: Interval | None
    """95 % paired t interval of the mean; None for fewer than two seeds."""
    p: float | None
    """Two-sided p of the mean difference, by a sign-flip permutation test."""
    probability_of_improvement: float | None
    """Share of seeds in which the arm is better; ties count half."""


def paired_difference(
    arm: Sequence[float | None], baseline: Sequence[float | None], higher_is_better: bool
) -> PairedDifference:
    """Compare two arms whose values are in the same order of seeds; None means no value."""
    pairs = [(a, b) for a, b in zip(arm, baseline, strict=True) if a is not None and b is not None]
    if not pairs:
        return PairedDifference(0, None, None, None, None)
    differences = np.array([a - b for a, b in pairs])
    largest = max(abs(value) for pair in pairs for value in pair)
    gains = differences if higher_is_better else -differences
    return PairedDifference(
        n=len(pairs),
        mean=float(differences.mean()),
        interval=mean_interval(differences),
        p=sign_flip_p(differences, largest),
        probability_of_improvement=float(np.mean((gains > 0) + 0.5 * (gains == 0))),
    )


def sign_flip_p(differences: NDArray[np.float64], largest: float = 1.0) -> float:
    """Compute the two-sided p of the mean of `differences`, shape [n], if both signs are equally likely.

    `largest` is the largest magnitude of the figures that were subtracted; sums that differ by no more than
    the rounding errors of such figures are ties. p is exact up to 16 seeds; beyond that it is over 20,000
    drawn flips and the observed signs.
    """
    # docs/decisions.md says why this is not scipy.stats.permutation_test.
    n = len(differences)
    signs = _all_signs(n) if n <= MAX_EXACT else _drawn_signs(n)
    threshold = abs(differences.sum()) - ROUNDING * n * (largest + np.abs(differences).sum())
    blocks = np.array_split(signs, BLOCKS)
    extreme = sum(int((np.abs(block @ differences) >= threshold).sum()) for block in blocks)
    return extreme / len(signs) if n <= MAX_EXACT else (extreme + 1) / (len(signs) + 1)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Correct p values for their number (Holm 1979); None is not a test and stays None."""
    order = sorted((p, index) for index, p in enumerate(ps) if p is not None)
    corrected: list[float | None] = [None] * len(ps)
    largest = 0.0
    for rank, (p, index) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        corrected[index] = largest
    return corrected


@cache
def _all_signs(n: int) -> NDArray[np.int8]:
    """Return all 2ⁿ combinations of n signs, shape [2ⁿ, n]."""
    flipped = np.arange(2**n)[:, None] >> np.arange(n) & 1
    return np.where(flipped, -1, 1).astype(np.int8)


@lru_cache(maxsize=2)  # accuracy and loss may have different numbers of seeds; each is up to 20 MB
def _drawn_signs(n: int) -> NDArray[np.int8]:
    return np.random.default_rng(n).choice(np.array([-1, 1], np.int8), (FLIPS, n))
