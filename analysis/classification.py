"""How well a classifier does on labelled examples: confusion matrix, statistics per class, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_BINS = 15
"""Bins of a calibration, as many as in Guo et al. 2017."""


@dataclass(frozen=True)
class ClassStatistics:
    """How well one class is recognised."""

    digit: int
    """The class, from 0."""
    precision: float | None
    """Share of the examples classified as this class that are of it; None if there are none."""
    recall: float | None
    """Share of the examples of this class that are classified as it; None if there are none."""
    support: int
    """Examples of this class."""


@dataclass(frozen=True)
class ReliabilityBin:
    """The examples whose confidence is above `low` and at most `high`."""

    low: float
    high: float
    n: int
    confidence: float | None
    """Mean confidence; None if there are no examples."""
    accuracy: float | None
    """Share that is classified correctly; None if there are no examples."""


@dataclass(frozen=True)
class Calibration:
    """How far confidences are from accuracies."""

    expected_calibration_error: float
    bins: Sequence[ReliabilityBin]


def confusion_matrix(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """Count the examples by label (row) and predicted class (column); both inputs have shape [n]."""
    counts = np.bincount(labels * n_classes + predicted, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def statistics_per_class(confusion: NDArray[np.int64]) -> list[ClassStatistics]:
    """Compute precision, recall and support of each class from a confusion matrix [n_classes, n_classes]."""
    right, support, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    return [
        ClassStatistics(
            digit=digit,
            precision=_share(right[digit], predicted[digit]),
            recall=_share(right[digit], support[digit]),
            support=int(support[digit]),
        )
        for digit in range(len(confusion))
    ]


def calibrate(confidence: NDArray[np.float64], is_right: NDArray[np.bool_]) -> Calibration:
    """Compare the confidence in each prediction, from 0 to 1, with how often such predictions are right.

    The expected calibration error is Σ n_bin / n · |accuracy − mean confidence| over 15 bins of equal width
    (Guo, Pleiss, Sun & Weinberger 2017, arXiv 1706.04599). Both inputs have shape [n], n ≥ 1.
    """
    edges = np.linspace(0, 1, N_BINS + 1)
    place = np.digitize(confidence, edges[1:-1], right=True)
    n = np.bincount(place, minlength=N_BINS)
    confidences = np.bincount(place, confidence, N_BINS)
    right = np.bincount(place, is_right, N_BINS)
    return Calibration(
        expected_calibration_error=float(np.abs(right - confidences).sum() / len(confidence)),
        bins=[
            ReliabilityBin(
                *edge, int(n[index]), _share(confidences[index], n[index]), _share(right[index], n[index])
            )
            for index, edge in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
        ],
    )


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
