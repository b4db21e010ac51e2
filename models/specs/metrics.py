"""The row of a metric history."""

import math
from typing import NamedTuple


class MetricRow(NamedTuple):
    """One step: train metrics before update `step`, validation and test metrics after it.

    Losses are mean cross-entropy in nats, accuracies are fractions of 1; None means not evaluated.
    `elapsed_seconds` is the training time so far, as the class Training defines it.
    """

    step: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    elapsed_seconds: float

    def non_finite(self) -> list[str]:
        """Return the names of the figures that were measured and are not finite."""
        figures = self._asdict().items()
        return [name for name, figure in figures if figure is not None and not math.isfinite(figure)]
