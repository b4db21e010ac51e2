"""The schemas of evaluations."""

from analysis.samples import Interval
from analysis.verdicts import Verdict
from models.specs.datasets import Dataset, SplitName
from service.api.shared.schemas import EvaluatedCheckpoint, Out


class DigitStatistics(Out):
    """How well one class is recognised."""

    digit: int
    """The class, from 0."""
    precision: float | None
    """Share of the images classified as this digit that are this digit; null if there are none."""
    recall: float | None
    """Share of the images of this digit that are classified as it; null if there are none."""
    support: int
    """Images of this digit."""


class CalibrationBin(Out):
    """The images whose predicted digit has a probability above `low` and at most `high`."""

    low: float
    """Lower end of the probabilities."""
    high: float
    """Upper end of the probabilities."""
    n: int
    """Images in the bin."""
    confidence: float | None
    """Their mean probability; null if there are none."""
    accuracy: float | None
    """Share of them that is classified correctly; null if there are none."""


class CalibrationError(Out):
    """How far probabilities are from shares of right predictions: a reliability diagram in numbers."""

    expected_calibration_error: float
    """Σ n / N · |accuracy − confidence| over the bins (Guo et al. 2017)."""
    bins: list[CalibrationBin]
    """15 bins of equal width from 0 to 1."""


class MisclassifiedImage(Out):
    """An image whose predicted digit is not its label."""

    index: int
    """Its place in the split."""
    true: int
    """Its label."""
    predicted: int
    """The most probable digit by the net."""
    probability: float
    """The probability of the predicted digit."""


class EvaluationReport(EvaluatedCheckpoint):
    """How well a net classifies a split."""

    dataset: Dataset
    """The data set that it was trained on."""
    split: SplitName
    """The images that it was evaluated on."""
    n: int
    """Number of these images."""
    accuracy: float
    """Share that is classified correctly: bit-identical to the job's history, on equal kernels."""
    loss: float
    """Mean cross-entropy, in nats: bit-identical to the job's history, on equal kernels."""
    confusion: list[list[int]]
    """Number of images by label (row) and predicted digit (column)."""
    digits: list[DigitStatistics]
    """Statistics of each digit."""
    calibration: CalibrationError
    """How far probabilities are from shares of right predictions."""
    n_misclassified: int
    """Number of images whose predicted digit is not their label."""
    misclassified: list[MisclassifiedImage]
    """At most `limit` of them, in the order of `sort`."""
    links: dict[str, str]
    """Paths of all misclassified images as CSV, of a picture of them, and of the confusion matrix as CSV."""


class DifferingImage(Out):
    """An image that two nets classify differently."""

    index: int
    """Its place in the split."""
    true: int
    """Its label."""
    first: int
    """The most probable digit by the first net."""
    second: int
    """The most probable digit by the second net."""


class EvaluationDifference(Out):
    """How two nets differ on the same images."""

    first: EvaluatedCheckpoint
    """The net of the first job in the path."""
    second: EvaluatedCheckpoint
    """The net of the second job in the path."""
    dataset: Dataset
    """The data set of both."""
    split: SplitName
    """The images that both were evaluated on."""
    n: int
    """Number of these images."""
    both_right: int
    """Images that both classify correctly."""
    only_first_right: int
    """Images that only the first classifies correctly."""
    only_second_right: int
    """Images that only the second classifies correctly."""
    both_wrong: int
    """Images that neither classifies correctly."""
    accuracy_difference: float
    """Accuracy of the first minus that of the second."""
    interval: Interval
    """95 % interval of the difference, for images in pairs (Bonett & Price 2012)."""
    p: float
    """Two-sided p of McNemar's exact test."""
    verdict: Verdict
    """Of the first net: better or worse only if the interval excludes zero and p is at most 0.05."""
    sentence: str
    """The result in words."""
    n_disagreements: int
    """Images for which the two predict different digits."""
    disagreements: list[DifferingImage]
    """At most `limit` of them, in order of index."""
