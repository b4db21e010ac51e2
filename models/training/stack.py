"""The nets of a cohort and their optimizer: a step, and an evaluation, of all runs."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from models.nets.net import Batch, Net, stack
from models.specs.nets import NETS
from models.specs.spec import TrainSpec
from models.training.checkpoint import ResumeState
from models.training.optimizers import Optimizer, create_optimizer


class _Lane(NamedTuple):
    """Runs that are computed in one go; net and optimizer share their memory with the whole stack."""

    runs: slice
    net: Net
    optimizer: Optimizer


class Stack:
    """Nets of one shape, the run axis first, and the optimizer that updates them.

    Either all runs are computed in one go, or one after another: whichever is faster for the kind of net.
    """

    def __init__(self, specs: Sequence[TrainSpec], states: Sequence[ResumeState]) -> None:
        rates = torch.tensor([spec.learning_rate for spec in specs]).view(-1, 1, 1)
        optimizer_states = [state.optimizer_state for state in states]
        stacked = {name: torch.cat([each[name] for each in optimizer_states]) for name in optimizer_states[0]}
        self.at_once = NETS[specs[0].net].at_once
        self.net = stack([state.net for state in states])
        self.optimizer = create_optimizer(specs[0], rates, stacked)
        self._lanes = self._divide()

    def keep(self, runs: Sequence[int]) -> None:
        """Keep only the runs at these places."""
        indices = torch.tensor(runs, dtype=torch.long)
        self.net = self.net.map(lambda tensor: tensor[indices])
        self.optimizer = self.optimizer.map(lambda tensor: tensor[indices])
        self._lanes = self._divide()

    def advance(self, batch: Batch, step: int) -> Tensor:
        """Take a step, counted from 1; return log-probabilities [runs, batch, classes] before its update."""
        return _joined([_advance(lane, batch, step) for lane in self._lanes])

    def evaluate(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean loss and accuracy [runs], in float64, on images [rows, n_in] and labels [rows]."""
        losses, accuracies = zip(*(lane.net.evaluate(images, labels) for lane in self._lanes), strict=True)
        return _joined(losses), _joined(accuracies)

    def _divide(self) -> list[_Lane]:
        if self.at_once or self.net.runs == 1:
            return [_Lane(slice(None), self.net, self.optimizer)]
        return [self._lane(slice(run, run + 1)) for run in range(self.net.runs)]

    def _lane(self, runs: slice) -> _Lane:
        def part(tensor: Tensor) -> Tensor:
            return tensor[runs]

        return _Lane(runs, self.net.map(part), self.optimizer.map(part))


def _advance(lane: _Lane, batch: Batch, step: int) -> Tensor:
    result = lane.net.backpropagate(batch.images[lane.runs], batch.targets[lane.runs])
    for (name, layer), gradients in zip(lane.net.layers.items(), result.gradients, strict=True):
        lane.optimizer.update(name, layer, gradients, step)
    return result.log_probabilities


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
