"""The measurements of a span, from its steps to its metric rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from models.nets.net import loss_and_accuracy
from models.nets.telemetry import LayerTelemetry
from models.specs.metrics import MetricRow
from models.training.streams import BLOCK_STEPS

NOT_EVALUATED: Sequence[float | None] = (None, None, None, None)


@dataclass
class MetricBuffer:
    """The measurements of a span so far; the lists inside a step are in the order of the stack."""

    first_step: int
    pending: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    """Log-probabilities and labels of the steps whose metrics are not computed yet."""
    train_metrics: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    """Losses and accuracies of blocks of steps, each [steps, runs]."""
    seconds: list[float] = field(default_factory=list)
    """Training time of each step, evaluation included: the share of one run."""
    evaluations: dict[int, list[list[float]]] = field(default_factory=dict)
    """By step: validation loss and accuracy, test loss and accuracy of each run."""
    checkpoints: dict[int, list[bytes | None]] = field(default_factory=dict)
    """By step: the net of each run, or None if one of its numbers is not finite."""
    telemetry: dict[int, list[list[LayerTelemetry]]] = field(default_factory=dict)

    def add(self, log_probabilities: Tensor, labels: Tensor) -> None:
        """Add a step: log-probabilities [runs, batch, classes] and labels [runs, batch].

        Losses and accuracies are computed for many steps at once, which is faster than one by one.
        """
        self.pending.append((log_probabilities, labels))
        if len(self.pending) == BLOCK_STEPS:
            self._compute()

    def _compute(self) -> None:
        log_probabilities, labels = zip(*self.pending, strict=True)
        self.train_metrics.append(loss_and_accuracy(torch.stack(log_probabilities), torch.stack(labels)))
        self.pending.clear()

    def rows(self, elapsed_before: np.ndarray) -> list[list[MetricRow]]:
        """Return the metric rows of each run, up to the first with which it diverged.

        `elapsed_before` [runs] is the training time before this span, in seconds.
        """
        if self.pending:
            self._compute()
        loss, accuracy = (torch.cat(blocks).T.tolist() for blocks in zip(*self.train_metrics, strict=True))
        return [
            self._rows_of(index, loss[index], accuracy[index], before + np.cumsum(self.seconds))
            for index, before in enumerate(elapsed_before)
        ]

    def _rows_of(
        self, index: int, loss: list[float], accuracy: list[float], elapsed: np.ndarray
    ) -> list[MetricRow]:
        rows = []
        for offset, seconds in enumerate(elapsed.tolist()):
            step = self.first_step + offset
            evaluated = self.evaluations[step][index] if step in self.evaluations else NOT_EVALUATED
            rows.append(MetricRow._make((step, loss[offset], accuracy[offset], *evaluated, seconds)))
            if self.has_diverged(index, rows[-1]):
                break
        return rows

    def has_diverged(self, index: int, row: MetricRow) -> bool:
        """Return whether the train loss, the evaluation or the checkpoint of a run's row is not finite."""
        if row.step not in self.evaluations:
            return not math.isfinite(row.train_loss)
        return bool(row.non_finite()) or (row.step in self.checkpoints and not self.weights(index, row))

    def weights(self, index: int, row: MetricRow) -> bytes | None:
        """Return a run's net after a row's step; None without a checkpoint that is finite."""
        return self.checkpoints[row.step][index] if row.step in self.checkpoints else None
