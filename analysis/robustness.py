"""Robustness to the learning rate: the widest range of rates in which an arm reaches a level."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RateRange:
    """The ends of a range of learning rates, and their ratio."""

    low: float
    high: float
    factor: float


def widest_range(accuracies: Mapping[float, float | None], level: float) -> RateRange | None:
    """Find the widest range of neighbouring rates whose mean accuracies all reach the level.

    `accuracies` are means by learning rate, None if there is no value. Return None if no rate reaches the
    level, and the lowest of equally wide ranges.
    """
    best: RateRange | None = None
    low: float | None = None
    for rate in sorted(accuracies):
        accuracy = accuracies[rate]
        if accuracy is None or accuracy < level:
            low = None
            continue
        low = rate if low is None else low
        if best is None or rate / low > best.factor:
            best = RateRange(low, rate, rate / low)
    return best
