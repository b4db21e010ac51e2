"""The evaluation of a net on a split: its statistics, and the images that it misclassifies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.classification import (
    Calibration,
    ClassStatistics,
    calibrate,
    confusion_matrix,
    statistics_per_class,
)
from models.specs.spec import N_CLASSES
from service.serving.classifying import Classified

Order = Literal["-probability", "index"]


@dataclass(frozen=True)
class Misclassified:
    """An image whose most probable class is not its label."""

    index: int
    """Its place in the split."""
    true: int
    """Its label."""
    predicted: int
    probability: float
    """The probability of the predicted class."""


@dataclass(frozen=True)
class Evaluation:
    """How well a net classifies a split."""

    n: int
    accuracy: float
    loss: float
    confusion: Sequence[Sequence[int]]
    digits: Sequence[ClassStatistics]
    calibration: Calibration
    n_misclassified: int


def evaluate(classified: Classified) -> Evaluation:
    """Compute the statistics of a classification."""
    labels, predicted = (each.astype(np.int64) for each in (classified.labels, classified.predicted))
    confusion = confusion_matrix(labels, predicted, N_CLASSES)
    is_right = classified.is_right()
    return Evaluation(
        n=len(is_right),
        accuracy=classified.accuracy,
        loss=classified.loss,
        confusion=confusion.tolist(),
        digits=statistics_per_class(confusion),
        calibration=calibrate(classified.confidence.astype(np.float64), is_right),
        n_misclassified=int((~is_right).sum()),
    )


def list_misclassified(classified: Classified, order: Order, limit: int) -> list[Misclassified]:
    """Return at most `limit` images: those with the most probable mistakes first, or in order of index."""
    places: NDArray[np.int64] = np.flatnonzero(~classified.is_right())
    if order == "-probability":
        places = places[np.argsort(-classified.confidence[places], kind="stable")]
    return [
        Misclassified(
            index=int(place),
            true=int(classified.labels[place]),
            predicted=int(classified.predicted[place]),
            probability=float(classified.confidence[place]),
        )
        for place in places[:limit]
    ]
