"""The schemas of the results of comparisons."""

from typing import Literal

from analysis.curves import BandKind
from analysis.samples import Interval
from analysis.summary import Metric
from analysis.verdicts import Verdict
from service.api.shared.schemas import Out
from service.comparing.curves import CurveMetric
from service.comparing.runs import Split
from service.comparing.state import ChosenBy
from service.comparing.warnings import WarningCode


class SampleStatistics(Out):
    """One metric over the seeds of an arm; null where there are too few."""

    n: int
    """Runs with a result."""
    n_finite: int
    """Runs that have the metric."""
    mean: float | None
    """Arithmetic mean."""
    sd: float | None
    """With n - 1 in the denominator."""
    interval: Interval | None
    """Of the mean: Student's t, 95 %."""
    median: float | None
    """Median."""
    iqm: float | None
    """The mean of the middle half."""
    iqm_interval: Interval | None
    """Percentile bootstrap, 95 %; from 20 seeds on."""
    min: float | None
    """Smallest value."""
    max: float | None
    """Largest value."""


class StepsToAccuracy(Out):
    """Steps until an accuracy was reached; a run that did not reach it is censored."""

    n: int
    """Runs with a result."""
    n_censored: int
    """Runs that did not reach the accuracy."""
    mean: float | None
    """Null if a run is censored: the mean of the others would be too early."""
    median: float | None
    """With censored runs as the latest; null if it is one of them."""
    censored_after: int | None
    """The fewest steps after which a run is censored."""


class TimeToAccuracy(Out):
    """Steps until the trailing 50-step mean of train accuracy, and an evaluation on test, reached it."""

    train: StepsToAccuracy
    """Steps until the trailing 50-step mean of train accuracy reached it."""
    test: StepsToAccuracy
    """Steps until an evaluation on the test images reached it."""


class ArmSummary(Out):
    """An arm over its seeds, by the last step of each run."""

    arm: str
    """Name of the arm."""
    learning_rate: float | None
    """Learning rate of its runs; null if it was trained with several and has no result yet."""
    n: int
    """Runs with a result: those that succeeded and those that diverged."""
    n_diverged: int
    """Runs that diverged."""
    n_at_chance: int
    """Runs that succeeded with a test accuracy that is not above chance."""
    test_accuracy: SampleStatistics
    """A run that diverged counts as chance accuracy, 0.1."""
    test_loss: SampleStatistics
    """A run that diverged has none."""
    train_seconds: SampleStatistics
    """Training time of the runs that did not diverge: `elapsed_seconds` of the last step."""
    time_to: dict[str, TimeToAccuracy]
    """Steps to an accuracy, by the accuracy: 0.90, 0.95 and 0.97."""
    parameters: int | None
    """Trainable numbers of the net; null for a net that this release does not know."""


class DifferenceToBaseline(Out):
    """An arm minus the baseline, seed by seed."""

    arm: str
    """Name of the arm."""
    metric: Metric
    """The metric that is compared."""
    n: int
    """Seeds in which both have the metric."""
    mean: float | None
    """Mean of the differences; null without seeds."""
    interval: Interval | None
    """Paired t, 95 %; null for fewer than two seeds."""
    p: float | None
    """Two-sided, by flipping signs: exact up to 16 seeds."""
    p_holm: float | None
    """Corrected by Holm's method for the number of arms that are compared with the baseline."""
    probability_of_improvement: float | None
    """Share of seeds in which the arm is better; a tie counts half."""
    verdict: Verdict
    """What the interval and the corrected p support."""
    sentence: str
    """The verdict as a sentence, with its numbers."""


class SummaryWarning(Out):
    """What to know before concluding anything."""

    code: WarningCode
    """The kind of warning."""
    message: str
    """What to know, as a sentence."""
    seeds_needed: int | None
    """How many seeds could show a difference, if there are too few."""


class ComparisonSummary(Out):
    """The results of a comparison, each arm at one learning rate."""

    comparison_id: str
    """Id of the comparison."""
    baseline: str
    """Name of the arm that the others are compared with."""
    learning_rate: float | None
    """The rate that was asked for; null if each arm has its own."""
    rates_chosen_by: ChosenBy | None
    """What the rate of each arm was chosen by: it has the best mean of this over the seeds. Null if a rate
    was asked for, or the comparison has no `learning_rates`."""
    step: int | None
    """The step of the metrics; null if the arms have different numbers of steps."""
    complete: bool
    """Whether every run has ended."""
    arms: list[ArmSummary]
    """The arms, in order."""
    differences: list[DifferenceToBaseline]
    """Each arm except the baseline, in each metric."""
    warnings: list[SummaryWarning]
    """What to know before concluding anything."""


class RunCurve(Out):
    """The curve of one run, at the steps of its arm; null where it has no value."""

    seed: int
    """Seed of the run."""
    y: list[float | None]
    """The metric at each step in `x` of the arm."""


class DivergedRun(Out):
    """A run that diverged."""

    seed: int
    """Seed of the run."""
    step: int
    """The step at which it diverged, after which it has no values."""


class ArmCurve(Out):
    """The curve of one arm; mean is null where no run has a value, and the band where too few have one."""

    arm: str
    """Name of the arm."""
    method: str
    """Its norm, with `+init` if it has init: figures and pages choose colour, dash and marker by it."""
    learning_rate: float | None
    """Learning rate of its runs; null if it was trained with several and has no result yet."""
    n: list[int]
    """Runs that have a value at the step; a run that diverged has none afterwards."""
    x: list[int]
    """The steps."""
    mean: list[float | None]
    """Mean over the runs at each step."""
    low: list[float | None]
    """Lower end of the band at each step."""
    high: list[float | None]
    """Upper end of the band at each step."""
    runs: list[RunCurve] | None
    """The curve of each run; null unless `runs` asks for them."""
    diverged: list[DivergedRun]
    """The runs that diverged, whether in this window or not."""


class ComparisonCurves(Out):
    """One metric of all arms over the steps, at the same steps in arms of equal length."""

    comparison_id: str
    """Id of the comparison."""
    metric: CurveMetric
    """The metric that the curves show."""
    band: BandKind
    """What the band is: mean ± sd, t interval of the mean, or extremes."""
    learning_rate: float | None
    """The rate that was asked for; null if each arm has its own."""
    rates_chosen_by: ChosenBy | None
    """What the rate of each arm was chosen by; null if a rate was asked for, or the comparison has no
    `learning_rates`."""
    complete: bool
    """Whether every run has ended."""
    x: Literal["step"]
    """What `x` counts."""
    arms: list[ArmCurve]
    """One curve per arm, in order."""


class ArmAtRate(Out):
    """An arm at one learning rate."""

    learning_rate: float
    """The learning rate."""
    n: int
    """Runs with a result."""
    n_diverged: int
    """Runs that diverged."""
    mean: float | None
    """Mean accuracy of the last step; a run that diverged counts as chance accuracy, 0.1."""
    low: float | None
    """Lower end of the 95 % interval of the mean, by Student's t; null for fewer than two runs."""
    high: float | None
    """Upper end of that interval."""


class LearningRateRange(Out):
    """The widest range of neighbouring rates at which the mean reaches the level."""

    low: float
    """Lowest learning rate of the range."""
    high: float
    """Highest learning rate of the range."""
    factor: float
    """high / low."""


class ArmLearningRates(Out):
    """The learning rates with which an arm works."""

    arm: str
    """Name of the arm."""
    rates: list[ArmAtRate]
    """The results at each learning rate, the lowest first."""
    widest: LearningRateRange | None
    """The widest range; null if no rate reaches the level."""


class ComparisonRobustness(Out):
    """The learning rates with which each arm works."""

    comparison_id: str
    """Id of the comparison."""
    split: Split
    """The images that the accuracy is measured on."""
    level: float
    """The accuracy to be reached."""
    complete: bool
    """Whether every run has ended."""
    arms: list[ArmLearningRates]
    """The arms, in order."""
