"""Statistics of each arm of a comparison, and its differences to the baseline with their verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from analysis.arrivals import Arrival, Arrivals, summarise_arrivals
from analysis.paired import PairedDifference, holm, paired_difference
from analysis.samples import Description, describe
from analysis.seeds import seeds_needed
from analysis.verdicts import Verdict, sentence, verdict

CHANCE = 0.1  # the accuracy of guessing one of ten classes
Metric = Literal["test_accuracy", "test_loss"]
HIGHER_IS_BETTER: dict[Metric, bool] = {"test_accuracy": True, "test_loss": False}


@dataclass(frozen=True)
class Result:
    """The final metrics of one run that has ended; None for those that it does not have."""

    seed: int
    diverged: bool
    test_accuracy: float | None
    test_loss: float | None
    train_seconds: float | None
    arrivals: Mapping[str, tuple[Arrival, Arrival]] = field(default_factory=dict)
    """By level, such as "0.95": when train and test accuracy reached it."""
    at_chance: bool = False
    """Whether it did not diverge, and its test accuracy may be that of a net that has learned nothing."""

    def value(self, metric: Metric) -> float | None:
        """Return the value to compare: a diverged run has chance accuracy and no loss."""
        if self.diverged:
            return CHANCE if metric == "test_accuracy" else None
        return self.test_accuracy if metric == "test_accuracy" else self.test_loss


@dataclass(frozen=True)
class ArmStatistics:
    """The statistics of an arm over its seeds."""

    name: str
    n: int
    n_diverged: int
    n_at_chance: int
    test_accuracy: Description
    test_loss: Description
    train_seconds: Description
    time_to: dict[str, tuple[Arrivals, Arrivals]]
    """By level: steps until train and test accuracy reached it."""


@dataclass(frozen=True)
class ArmDifference:
    """The difference of an arm to the baseline in one metric, and what it supports."""

    arm: str
    metric: Metric
    difference: PairedDifference
    p_holm: float | None
    verdict: Verdict
    sentence: str


@dataclass(frozen=True)
class Summary:
    """The statistics of all arms, and all differences to the baseline."""

    baseline: str
    arms: list[ArmStatistics]
    differences: list[ArmDifference]
    seeds_needed: int | None
    """If there are too few seeds to show any difference: the number that would be enough."""


def summarise(arms: Mapping[str, Sequence[Result]], baseline: str) -> Summary:
    """Summarise arms whose runs have ended; raise KeyError if the baseline is not among them."""
    others = [name for name in arms if name != baseline]
    differences = {metric: _differences(arms, baseline, others, metric) for metric in HIGHER_IS_BETTER}
    accuracies = [each.difference for each in differences["test_accuracy"]]
    needed = seeds_needed(_tests(accuracies)) if others else 0
    return Summary(
        baseline=baseline,
        arms=[_arm(name, results) for name, results in arms.items()],
        differences=[each for found in differences.values() for each in found],
        seeds_needed=needed if max((found.n for found in accuracies), default=0) < needed else None,
    )


def _arm(name: str, results: Sequence[Result]) -> ArmStatistics:
    levels = {level for result in results for level in result.arrivals}
    return ArmStatistics(
        name=name,
        n=len(results),
        n_diverged=sum(result.diverged for result in results),
        n_at_chance=sum(result.at_chance for result in results),
        test_accuracy=describe([result.value("test_accuracy") for result in results]),
        test_loss=describe([result.value("test_loss") for result in results]),
        train_seconds=describe([None if result.diverged else result.train_seconds for result in results]),
        time_to={
            level: (
                summarise_arrivals(
                    [result.arrivals[level][0] for result in results if level in result.arrivals]
                ),
                summarise_arrivals(
                    [result.arrivals[level][1] for result in results if level in result.arrivals]
                ),
            )
            for level in sorted(levels)
        },
    )


def _differences(
    arms: Mapping[str, Sequence[Result]], baseline: str, others: Sequence[str], metric: Metric
) -> list[ArmDifference]:
    higher = HIGHER_IS_BETTER[metric]
    against = {result.seed: result.value(metric) for result in arms[baseline]}
    found = [
        paired_difference(
            [result.value(metric) for result in arms[name]],
            [against.get(result.seed) for result in arms[name]],
            higher,
        )
        for name in others
    ]
    corrected = holm([each.p for each in found])
    metric_name = metric.replace("_", " ")
    differences = []
    for name, each, p in zip(others, found, corrected, strict=True):
        # The remaining runs are those that went well, so they do not represent the arm.
        left_out = _diverged(arms[name], arms[baseline]) if metric == "test_loss" else 0
        level = "not_told_apart" if left_out else verdict(each, p, higher)
        words = sentence(name, baseline, metric_name, each, p, _tests(found), level, left_out)
        differences.append(ArmDifference(name, metric, each, p, level, words))
    return differences


def _tests(found: Sequence[PairedDifference]) -> int:
    """Count the differences that Holm corrects for; if none can be tested yet, count all."""
    return sum(each.p is not None for each in found) or len(found)


def _diverged(arm: Sequence[Result], baseline: Sequence[Result]) -> int:
    """Count the shared seeds in which a run diverged."""
    shared = {result.seed for result in arm} & {result.seed for result in baseline}
    return len(shared & {result.seed for result in (*arm, *baseline) if result.diverged})
