"""The range of learning rates with which each arm of a comparison works."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from analysis.robustness import RateRange, widest_range
from analysis.samples import describe
from service.comparing.runs import Split, accuracy_of, by_arm, has_diverged, has_result
from service.comparing.state import State
from service.errors import NoLearningRates
from service.store import comparisons, results
from service.store.results import RunRow


@dataclass(frozen=True)
class RateResult:
    """An arm at one learning rate, by the accuracy of the last step on one split."""

    learning_rate: float
    n: int
    n_diverged: int
    mean: float | None
    """A run that diverged counts with the accuracy of chance."""
    low: float | None
    """The ends of the 95 % interval of the mean, by Student's t; None for fewer than two runs."""
    high: float | None


@dataclass(frozen=True)
class ArmRobustness:
    """An arm at every learning rate, and the widest range in which it reaches the level."""

    arm: str
    rates: list[RateResult]
    widest: RateRange | None


def read_robustness(session: Session, state: State, level: float, split: Split) -> list[ArmRobustness]:
    """Find for each arm the range in which its mean accuracy on this split reaches the level.

    Raises NoLearningRates for a comparison that was not created with several.
    """
    rates = sorted(comparisons.rates_of(state.comparison))
    if not rates:
        raise NoLearningRates("the comparison was not created with learning_rates")
    runs, arms = results.runs(session, state.comparison), comparisons.arms_of(state.comparison)
    at_rates = {rate: by_arm(runs, arms, rate) for rate in rates}
    found = {arm: [_rate_result(rate, each[arm], split) for rate, each in at_rates.items()] for arm in arms}
    return [ArmRobustness(arm, each, _widest(each, level)) for arm, each in found.items()]


def _widest(found: Sequence[RateResult], level: float) -> RateRange | None:
    return widest_range({each.learning_rate: each.mean for each in found}, level)


def _rate_result(rate: float, runs: Sequence[RunRow], split: Split) -> RateResult:
    ended = [run for run in runs if has_result(run)]
    found = describe([accuracy_of(run, split) for run in ended])
    low, high = found.interval or (None, None)
    return RateResult(rate, len(ended), sum(map(has_diverged, ended)), found.mean, low, high)
