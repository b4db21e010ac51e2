"""When a run first reached an accuracy; one that did not is censored, never given a number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TRAILING = 50  # steps of the mean that smooths the train accuracy


@dataclass(frozen=True)
class Arrival:
    """The step at which a level was reached, or None; and the last step that was seen."""

    step: int | None
    last_step: int


@dataclass(frozen=True)
class Arrivals:
    """Those of one arm over its seeds."""

    n: int
    n_censored: int
    mean: float | None
    """Of the steps; None where a run is censored: the others alone would be too early."""
    median: float | None
    """The same with censored runs counted as the latest; None where it falls among them."""
    censored_after: int | None
    """The fewest steps that a censored run was seen for; None where none is censored."""


def arrival_in_training(train_accuracy: NDArray[np.float64], level: float) -> Arrival:
    """Find the first step whose trailing 50-step mean reaches the level.

    `train_accuracy`, shape [n_steps], begins with that of step 1.
    """
    n_steps = len(train_accuracy)
    if n_steps < TRAILING:
        return Arrival(None, n_steps)
    means = np.convolve(train_accuracy, np.full(TRAILING, 1 / TRAILING), "valid")
    return _first(means >= level - 1e-12, np.arange(TRAILING, n_steps + 1), n_steps)


def arrival_on_test(steps: NDArray[np.int64], test_accuracy: NDArray[np.float64], level: float) -> Arrival:
    """Find the first evaluation that reaches the level; both arrays of shape [n_evaluations]."""
    return _first(test_accuracy >= level, steps, int(steps[-1]) if len(steps) else 0)


def gather(arrivals: Sequence[Arrival]) -> Arrivals:
    """Put the runs of an arm together."""
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
