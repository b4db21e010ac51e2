"""The schemas of comparisons: what a client sends, and what it gets."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from analysis.curves import BandKind
from analysis.samples import Interval
from analysis.summary import Metric
from analysis.verdicts import Verdict
from models.specs.comparison import Arm, ComparisonSpec, Preset, Seeds
from models.specs.strict import StrictModel
from service.api.shared.schemas import Label, Out, Priority
from service.comparing.curves import CurveMetric
from service.comparing.summary import WarningCode


class ComparisonSubmission(ComparisonSpec):
    """A comparison to run: arms × seeds, and a label to find it by."""

    label: Label | None = None
    """A line of at most 80 characters, shown with the comparison."""
    priority: Priority = 0
    """Priority of its jobs: queued jobs of higher priority start first."""


class ComparisonExtension(StrictModel):
    """What to add to a comparison."""

    arms: Annotated[list[Arm], Field(max_length=200)] = Field(default_factory=list)
    """Further arms; each is trained with all seeds. Of an arm that is there, runs without a result are run
    again."""
    seeds: Seeds | None = None
    """Seeds, or how many: 10 means 0 to 9. Of those that are there, only runs without a result are run again:
    cancelled, or failed otherwise than by diverging."""


class DeletedComparison(Out):
    """What was deleted, and the bytes that it freed."""

    id: str
    jobs: int
    freed_bytes: int


class ComparisonProgress(Out):
    """The number of jobs in each status, and the share of all steps that is done."""

    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    percent: float


class SeedProof(Out):
    """The starts and the data of the runs of one seed; a digest is known once its run has begun."""

    seed: int
    init_digests: list[str]
    """sha256 of the drawn weights: one for all arms of equal shape."""
    data_digests: list[str]
    """sha256 of the batch order: one for all arms of equal batches."""


class FairnessProof(Out):
    """The proof that all arms had equal starts and equal data."""

    complete: bool
    """Whether every run has begun."""
    fair: bool
    """Whether, as far as known, arms of equal shape start from equal weights, and arms of equal batches see
    the same images in the same order."""
    seeds: list[SeedProof]


class ComparisonDetails(Out):
    """A comparison and its progress."""

    id: str
    label: str | None
    priority: int
    status: Literal["running", "ended"]
    created_at: datetime
    preset: Preset | None
    arms: list[str]
    baseline: str
    seeds: list[int]
    learning_rates: list[float]
    jobs: int
    progress: ComparisonProgress
    links: dict[str, str]


class ComparisonWithProof(ComparisonDetails):
    """A comparison with its proof of fairness."""

    fairness: FairnessProof


class ComparisonList(Out):
    """A page of comparisons."""

    items: list[ComparisonDetails]
    next_cursor: str | None


class SampleStatistics(Out):
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


class StepsToAccuracy(Out):
    """Steps until an accuracy was reached; a run that did not reach it is censored."""

    n: int
    n_censored: int
    mean: float | None
    """Null if a run is censored: the mean of the others would be too early."""
    median: float | None
    """With censored runs as the latest; null if it is one of them."""
    censored_after: int | None
    """The fewest steps after which a run is censored."""


class TimeToAccuracy(Out):
    """Steps until the trailing 50-step mean of train accuracy, and an evaluation on test, reached it."""

    train: StepsToAccuracy
    test: StepsToAccuracy


class ArmSummary(Out):
    """An arm over its seeds, by the last step of each run."""

    arm: str
    n: int
    """Runs with a result: those that succeeded and those that diverged."""
    n_diverged: int
    test_accuracy: SampleStatistics
    """A run that diverged counts with the accuracy of chance, 0.1."""
    test_loss: SampleStatistics
    train_seconds: SampleStatistics
    """Training time of the runs that did not diverge: `elapsed_seconds` of the last step."""
    time_to: dict[str, TimeToAccuracy]
    parameters: int | None
    """Trainable numbers of the net; null for a net that this release does not know."""


class DifferenceToBaseline(Out):
    """An arm minus the baseline, seed by seed."""

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
    """What to know before concluding anything."""

    code: WarningCode
    message: str
    seeds_needed: int | None
    """How many seeds could show a difference, if there are too few."""


class ComparisonSummary(Out):
    """The results of a comparison at one learning rate."""

    comparison_id: str
    baseline: str
    learning_rate: float | None
    """Null if every arm has the learning rate of its spec."""
    step: int | None
    """The step of the figures; null if the arms have different numbers of steps."""
    complete: bool
    """Whether every run has ended."""
    arms: list[ArmSummary]
    differences: list[DifferenceToBaseline]
    warnings: list[SummaryWarning]


class RunCurve(Out):
    """The curve of one run, at the steps of its arm; null where it has no figure."""

    seed: int
    y: list[float | None]


class ArmCurve(Out):
    """The curve of one arm; mean is null where no run has a figure, and the band where too few have one."""

    arm: str
    n: list[int]
    """Runs that have a figure at the step; a run that diverged has none afterwards."""
    x: list[int]
    mean: list[float | None]
    low: list[float | None]
    high: list[float | None]
    runs: list[RunCurve] | None


class ComparisonCurves(Out):
    """One figure of all arms over the steps, at the same steps in arms of equal length."""

    comparison_id: str
    metric: CurveMetric
    band: BandKind
    learning_rate: float | None
    x: Literal["step"]
    arms: list[ArmCurve]


class ArmAtRate(Out):
    """An arm at one learning rate."""

    learning_rate: float
    n: int
    n_diverged: int
    mean_test_accuracy: float | None
    """By the last step; a run that diverged counts with the accuracy of chance."""


class LearningRateRange(Out):
    """The widest range of neighbouring rates at which the mean reaches the level."""

    low: float
    high: float
    factor: float
    """high / low."""


class ArmLearningRates(Out):
    """The learning rates with which an arm works."""

    arm: str
    rates: list[ArmAtRate]
    widest: LearningRateRange | None


class ComparisonRobustness(Out):
    """The learning rates with which each arm works."""

    comparison_id: str
    level: float
    complete: bool
    arms: list[ArmLearningRates]
