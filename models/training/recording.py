"""What the steps of a span have measured, on the way to rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from models.nets.net import figures
from models.nets.telemetry import LayerTelemetry
from models.specs.metrics import MetricRow
from models.training.streams import BLOCK_STEPS

NOT_EVALUATED: Sequence[float | None] = (None, None, None, None)


@dataclass
class Recording:
    """What a span has measured so far: an entry a step, tensors and lists by place in the stack."""

    first_step: int
    pending: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    figures: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    evaluations: dict[int, list[list[float]]] = field(default_factory=dict)
    checkpoints: dict[int, list[bytes]] = field(default_factory=dict)
    telemetry: dict[int, list[list[LayerTelemetry]]] = field(default_factory=dict)

    def add(self, log_probabilities: Tensor, labels: Tensor, seconds: float) -> None:
        """Note a step; losses and accuracies are computed for many steps at once, and for all at the end."""
        self.pending.append((log_probabilities, labels))
        self.seconds.append(seconds)
        if len(self.pending) == BLOCK_STEPS:
            self._compute()

    def _compute(self) -> None:
        log_probabilities, labels = zip(*self.pending, strict=True)
        self.figures.append(figures(torch.stack(log_probabilities), torch.stack(labels)))
        self.pending.clear()

    def rows(self, elapsed_before: np.ndarray) -> list[list[MetricRow]]:
        """Put the figures of each run together, up to its first loss that is not finite."""
        if self.pending:
            self._compute()
        both = zip(*self.figures, strict=True)  # losses and accuracies, each of (steps, runs)
        loss, accuracy = (torch.cat(figure).T.tolist() for figure in both)
        return [
            self._rows_of(place, loss[place], accuracy[place], before + np.cumsum(self.seconds))
            for place, before in enumerate(elapsed_before)
        ]

    def _rows_of(
        self, place: int, loss: list[float], accuracy: list[float], elapsed: np.ndarray
    ) -> list[MetricRow]:
        rows = []
        for offset, seconds in enumerate(elapsed.tolist()):
            step = self.first_step + offset
            evaluated = self.evaluations[step][place] if step in self.evaluations else NOT_EVALUATED
            rows.append(MetricRow._make((step, loss[offset], accuracy[offset], *evaluated, seconds)))
            if not math.isfinite(loss[offset]):
                break
        return rows
