"""The range of learning rates with which each arm of a comparison works."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from sqlalchemy.orm import Session

from analysis.robustness import RateRange, widest_range
from service.comparing.runs import by_arm, last_results
from service.comparing.state import State
from service.errors import NoLearningRates
from service.store import comparisons, results
from service.store.results import RunRow


@dataclass(frozen=True)
class RateResult:
    """An arm at one learning rate."""

    learning_rate: float
    n: int
    n_diverged: int
    mean_test_accuracy: float | None
    """By the last step; a run that diverged counts as chance accuracy, 0.1."""


@dataclass(frozen=True)
class ArmRobustness:
    """An arm at every learning rate, and the widest range in which it reaches the level."""

    arm: str
    rates: list[RateResult]
    widest: RateRange | None


def read_robustness(session: Session, state: State, level: float) -> list[ArmRobustness]:
    """Find for each arm the range in which its mean test accuracy reaches the level.

    Raises NoLearningRates for a comparison that was not created with several.
    """
    rates = sorted(comparisons.rates_of(state.comparison))
    if not rates:
        raise NoLearningRates("the comparison was not created with learning_rates")
    runs, arms = results.runs(session, state.comparison), comparisons.arms_of(state.comparison)
    return [_arm_robustness(arm, [run for run in runs if run.arm == arm], rates, level) for arm in arms]


def _arm_robustness(arm: str, runs: Sequence[RunRow], rates: Sequence[float], level: float) -> ArmRobustness:
    found = [_rate_result(arm, runs, rate) for rate in rates]
    means = {each.learning_rate: each.mean_test_accuracy for each in found}
    return ArmRobustness(arm, found, widest_range(means, level))


def _rate_result(arm: str, runs: Sequence[RunRow], rate: float) -> RateResult:
    ends = last_results(by_arm(runs, [arm], rate))[arm]
    figures = [end.value("test_accuracy") for end in ends]
    return RateResult(
        learning_rate=rate,
        n=len(ends),
        n_diverged=sum(end.diverged for end in ends),
        mean_test_accuracy=_mean(figures),
    )


def _mean(figures: Sequence[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return fmean(known) if known else None
