"""How far the learning rate may be off: the widest range of rates in which an arm reaches a level."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RateRange:
    """The ends of the range, and how many times the one is the other."""

    low: float
    high: float
    factor: float


def widest_range(accuracies: Mapping[float, float | None], level: float) -> RateRange | None:
    """Find the widest run of neighbouring rates whose mean accuracies all reach the level; None if none does.

    `accuracies` are means by learning rate; None is no figure. Of equally wide ranges the lowest is taken.
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
