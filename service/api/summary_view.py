"""The summary of a comparison as clients see it."""

from typing import Literal

from analysis.samples import Interval
from analysis.summary import Metric
from analysis.verdicts import Verdict
from service.api.job_view import Out

WarningCode = Literal["too_few_seeds", "diverged", "not_ended", "left_out", "without_times"]


class DescriptionOut(Out):
    """One figure over the seeds of an arm; null where there are too few."""

    n: int
    n_finite: int
    """Runs that have the figure."""
    mean: float | None
    sd: float | None
    """With n - 1 in the denominator."""
    interval: Interval | None
    """Of the mean: Student's t, 95 %."""
    median: float | None
    iqm: float | None
    """The mean of the middle half."""
    iqm_interval: Interval | None
    """Percentile bootstrap, 95 %; from 20 seeds on."""
    min: float | None
    max: float | None


class ArrivalsOut(Out):
    """Steps until an accuracy was reached; a run that did not reach it is censored."""

    n: int
    n_censored: int
    mean: float | None
    """Null where a run is censored: the others alone would be too early."""
    median: float | None
    """With censored runs as the latest; null where it falls among them."""
    censored_after: int | None
    """The fewest steps that a censored run was seen for."""


class TimeToOut(Out):
    """Steps until the trailing 50-step mean of train accuracy, and an evaluation on test, reached it."""

    train: ArrivalsOut
    test: ArrivalsOut


class ArmOut(Out):
    """An arm over its seeds, by the last step of each run."""

    name: str
    n: int
    """Runs that count: those that succeeded and those that diverged."""
    n_diverged: int
    test_accuracy: DescriptionOut
    """A run that diverged counts with the accuracy of chance, 0.1."""
    test_loss: DescriptionOut
    train_seconds: DescriptionOut
    time_to: dict[str, TimeToOut]
    parameters: int | None
    """Trainable numbers of the net; null for one that this release does not know."""


class DifferenceOut(Out):
    """An arm less the baseline, seed by seed."""

    arm: str
    metric: Metric
    n: int
    """Seeds in which both have the figure."""
    mean: float | None
    interval: Interval | None
    """Paired t, 95 %; null for fewer than two seeds."""
    p: float | None
    """Two-sided, by flipping signs: exact up to 16 seeds."""
    p_holm: float | None
    """Corrected for the number of arms."""
    probability_of_improvement: float | None
    """Share of seeds in which the arm is better; a tie counts half."""
    verdict: Verdict
    sentence: str


class SummaryWarning(Out):
    """What a reader should know before concluding anything."""

    code: WarningCode
    message: str
    seeds_needed: int | None
    """How many seeds could tell the arms apart, where there are too few."""


class SummaryOut(Out):
    """What a comparison has come to at one learning rate."""

    comparison_id: str
    baseline: str
    learning_rate: float | None
    """Null where every arm has that of its spec."""
    step: int | None
    """The step of the figures; null where the arms have different numbers of steps."""
    complete: bool
    """Whether every run has ended."""
    arms: list[ArmOut]
    differences: list[DifferenceOut]
    warnings: list[SummaryWarning]
