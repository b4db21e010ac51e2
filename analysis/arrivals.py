"""The step at which a run first reached an accuracy; a run that never did is censored."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

TRAILING = 50  # steps in the moving mean of the train accuracy


@dataclass(frozen=True)
class Arrival:
    """The step at which a level was reached, or None if it was not; and the last step of the run."""

    step: int | None
    last_step: int


@dataclass(frozen=True)
class Arrivals:
    """The arrivals of one arm over its seeds."""

    n: int
    n_censored: int
    mean: float | None
    """Mean step; None if a run is censored, because the mean of the others would be too low."""
    median: float | None
    """Median step, with censored runs after all others; None if the median is a censored run."""
    censored_after: int | None
    """The lowest last step of the censored runs; None if there are none."""


def arrival_in_training(train_accuracy: NDArray[np.float64], level: float, batch_size: int) -> Arrival:
    """Find the first step whose trailing 50-step mean reaches the level, a decimal such as 0.95.

    `train_accuracy` has shape [n_steps] and starts with step 1; NaN counts as no right answer. Right answers
    are counted as whole numbers, so a mean that equals the level has reached it.
    """
    n_steps = len(train_accuracy)
    if n_steps < TRAILING:
        return Arrival(None, n_steps)
    right = np.nan_to_num(train_accuracy * batch_size).round().astype(np.int64)
    totals = np.concatenate([[0], right.cumsum()])
    needed = math.ceil(Fraction(str(level)) * TRAILING * batch_size)
    reached = totals[TRAILING:] - totals[:-TRAILING] >= needed
    return _first(reached, np.arange(TRAILING, n_steps + 1), n_steps)


def arrival_on_test(steps: NDArray[np.int64], test_accuracy: NDArray[np.float64], level: float) -> Arrival:
    """Find the first evaluation that reaches the level; both arrays have shape [n_evaluations]."""
    return _first(test_accuracy >= level, steps, int(steps[-1]) if len(steps) else 0)


def summarise_arrivals(arrivals: Sequence[Arrival]) -> Arrivals:
    """Summarise the arrivals of the runs of an arm."""
    steps = np.array([np.inf if arrival.step is None else arrival.step for arrival in arrivals])
    unreached = [arrival.last_step for arrival in arrivals if arrival.step is None]
    median = float(np.median(steps)) if len(steps) else np.inf
    return Arrivals(
        n=len(steps),
        n_censored=len(unreached),
        mean=float(steps.mean()) if len(steps) and not unreached else None,
        median=median if np.isfinite(median) else None,
        censored_after=min(unreached, default=None),
    )


def _first(reached: NDArray[np.bool_], steps: NDArray[np.int64], last_step: int) -> Arrival:
    return Arrival(int(steps[reached.argmax()]) if reached.any() else None, last_step)
