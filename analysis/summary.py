"""What a comparison of arms has come to: figures of each, and differences to the baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from analysis.arrivals import Arrival, Arrivals, gather
from analysis.paired import Difference, difference, holm, seeds_needed
from analysis.samples import Description, describe
from analysis.verdicts import Verdict, sentence, verdict

CHANCE = 0.1  # the accuracy of guessing one of ten classes
Metric = Literal["test_accuracy", "test_loss"]
HIGHER_IS_BETTER: dict[Metric, bool] = {"test_accuracy": True, "test_loss": False}


@dataclass(frozen=True)
class Result:
    """One run that has ended, by its last step; None is a figure that it does not have."""

    seed: int
    diverged: bool
    test_accuracy: float | None
    test_loss: float | None
    train_seconds: float | None
    arrivals: Mapping[str, tuple[Arrival, Arrival]] = field(default_factory=dict)
    """By level, as it is written: when train and test accuracy reached it."""

    def figure(self, metric: Metric) -> float | None:
        """Answer what the run counts with: one that diverged has chance accuracy and no loss."""
        if self.diverged:
            return CHANCE if metric == "test_accuracy" else None
        return self.test_accuracy if metric == "test_accuracy" else self.test_loss


@dataclass(frozen=True)
class ArmSummary:
    """An arm over its seeds."""

    name: str
    n: int
    n_diverged: int
    test_accuracy: Description
    test_loss: Description
    train_seconds: Description
    time_to: dict[str, tuple[Arrivals, Arrivals]]
    """By level: steps until train and test accuracy reached it."""


@dataclass(frozen=True)
class ArmDifference:
    """An arm less the baseline in one metric, and what may be said of that."""

    arm: str
    metric: Metric
    found: Difference
    p_holm: float | None
    verdict: Verdict
    sentence: str


@dataclass(frozen=True)
class Summary:
    """All arms, and all differences to the baseline."""

    baseline: str
    arms: list[ArmSummary]
    differences: list[ArmDifference]
    seeds_needed: int | None
    """Where there are too few seeds to tell any two arms apart: how many could."""


def summarise(arms: Mapping[str, Sequence[Result]], baseline: str) -> Summary:
    """Sum up arms whose runs have ended; raise KeyError for a baseline that is none of them."""
    others = [name for name in arms if name != baseline]
    differences = {metric: _differences(arms, baseline, others, metric) for metric in HIGHER_IS_BETTER}
    accuracies = [each.found for each in differences["test_accuracy"]]
    needed = seeds_needed(_tests(accuracies)) if others else 0
    return Summary(
        baseline=baseline,
        arms=[_arm(name, results) for name, results in arms.items()],
        differences=[each for found in differences.values() for each in found],
        seeds_needed=needed if max((found.n for found in accuracies), default=0) < needed else None,
    )


def _arm(name: str, results: Sequence[Result]) -> ArmSummary:
    levels = {level for result in results for level in result.arrivals}
    return ArmSummary(
        name=name,
        n=len(results),
        n_diverged=sum(result.diverged for result in results),
        test_accuracy=describe([result.figure("test_accuracy") for result in results]),
        test_loss=describe([result.figure("test_loss") for result in results]),
        train_seconds=describe([None if result.diverged else result.train_seconds for result in results]),
        time_to={
            level: (
                gather([result.arrivals[level][0] for result in results if level in result.arrivals]),
                gather([result.arrivals[level][1] for result in results if level in result.arrivals]),
            )
            for level in sorted(levels)
        },
    )


def _differences(
    arms: Mapping[str, Sequence[Result]], baseline: str, others: Sequence[str], metric: Metric
) -> list[ArmDifference]:
    higher = HIGHER_IS_BETTER[metric]
    against = {result.seed: result.figure(metric) for result in arms[baseline]}
    found = [
        difference(
            [result.figure(metric) for result in arms[name]],
            [against.get(result.seed) for result in arms[name]],
            higher,
        )
        for name in others
    ]
    corrected = holm([each.p for each in found])
    said = metric.replace("_", " ")
    differences = []
    for name, each, p in zip(others, found, corrected, strict=True):
        # The runs that are left are those that went well: they say nothing of the arm as a whole.
        left_out = _diverged(arms[name], arms[baseline]) if metric == "test_loss" else 0
        level = "not_told_apart" if left_out else verdict(each, p, higher)
        words = sentence(name, baseline, said, each, p, _tests(found), level, left_out)
        differences.append(ArmDifference(name, metric, each, p, level, words))
    return differences


def _tests(found: Sequence[Difference]) -> int:
    """Count the differences that Holm corrects for; all, where none can be tested yet."""
    return sum(each.p is not None for each in found) or len(found)


def _diverged(arm: Sequence[Result], baseline: Sequence[Result]) -> int:
    """Count the seeds of both in which one diverged."""
    shared = {result.seed for result in arm} & {result.seed for result in baseline}
    return len(shared & {result.seed for result in (*arm, *baseline) if result.diverged})
