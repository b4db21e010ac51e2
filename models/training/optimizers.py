"""The optimizers, one class each; every run of a stack has its own learning rate."""

import math
from collections.abc import Callable
from typing import Protocol, Self

import torch
from torch import Tensor

from models.nets.layers import Gradients, Layer
from models.nets.net import Net
from models.specs.memory import OPTIMIZER_STATE
from models.specs.spec import TrainSpec

Change = Callable[[Tensor], Tensor]


class Optimizer(Protocol):
    """An update rule."""

    def update(self, name: str, layer: Layer, gradients: Gradients, step: int) -> None:
        """Update the trained tensors of the layer with this name, in place; the gradients are overwritten.

        `step` counts updates from 1.
        """

    def tensors(self) -> dict[str, Tensor]:
        """Return the optimizer state by name, such as `hidden1.weight.velocity`; the run axis is first."""

    def map(self, change: Change) -> Self:
        """Return a copy whose tensors are the results of `change`, for example of fewer runs."""


class SGD:
    """Plain stochastic gradient descent: θ ← θ − learning_rate · (dθ + weight_decay · θ).

    The gradient of the weight is never stored: its factors are multiplied directly into the weight.
    """

    def __init__(self, learning_rates: Tensor, weight_decay: float = 0.0) -> None:
        self.learning_rates = learning_rates  # (runs, 1, 1)
        self.weight_decay = weight_decay
        self.decay_factor = 1 - weight_decay * learning_rates  # (runs, 1, 1), times the weight

    def update(self, name: str, layer: Layer, gradients: Gradients, step: int) -> None:
        """Update the trained tensors of a layer, in place."""
        gradients.descend(layer, self.learning_rates, self.decay_factor if self.weight_decay else None)

    def tensors(self) -> dict[str, Tensor]:
        """Return nothing: plain SGD has no state."""
        return {}

    def map(self, change: Change) -> Self:
        """Return a copy whose tensors are the results of `change`, for example of fewer runs."""
        return type(self)(change(self.learning_rates), self.weight_decay)


class _StatefulOptimizer:
    """An update rule with state for each trained tensor, named `hidden1.weight.velocity`."""

    STATE: tuple[str, ...]

    def __init__(self, learning_rates: Tensor, weight_decay: float, state: dict[str, Tensor]) -> None:
        self.learning_rates = learning_rates
        self.weight_decay = weight_decay
        self.state = state

    def update(self, name: str, layer: Layer, gradients: Gradients, step: int) -> None:
        """Update the trained tensors of a layer, in place."""
        for key, gradient in gradients.by_tensor(layer.weight).items():
            tensor = layer.tensors()[key]
            if key.endswith("weight") and self.weight_decay:
                gradient.add_(tensor, alpha=self.weight_decay)
            state = [self.state[f"{name}.{key}.{each}"] for each in self.STATE]
            self.update_tensor(tensor, gradient, state, step)

    def update_tensor(self, tensor: Tensor, gradient: Tensor, state: list[Tensor], step: int) -> None:
        """Update one tensor and its state in place."""
        raise NotImplementedError

    def tensors(self) -> dict[str, Tensor]:
        """Return the state by name."""
        return self.state


class Momentum(_StatefulOptimizer):
    """SGD with heavy-ball momentum, as torch.optim.SGD: v ← momentum · v + dθ; θ ← θ − learning_rate · v."""

    STATE = OPTIMIZER_STATE["momentum"]

    def __init__(
        self, learning_rates: Tensor, weight_decay: float, state: dict[str, Tensor], momentum: float
    ) -> None:
        super().__init__(learning_rates, weight_decay, state)
        self.momentum = momentum

    def update_tensor(self, tensor: Tensor, gradient: Tensor, state: list[Tensor], step: int) -> None:
        """Update one tensor by its velocity."""
        [velocity] = state
        tensor.addcmul_(velocity.mul_(self.momentum).add_(gradient), self.learning_rates, value=-1)

    def map(self, change: Change) -> Self:
        """Return a copy whose tensors are the results of `change`, for example of fewer runs."""
        state = {name: change(tensor) for name, tensor in self.state.items()}
        return type(self)(change(self.learning_rates), self.weight_decay, state, self.momentum)


class Adam(_StatefulOptimizer):
    """Adam (Kingma & Ba 2015, arXiv 1412.6980) with its published constants.

    Weight decay is added to the gradient, as in torch.optim.Adam.
    """

    STATE = OPTIMIZER_STATE["adam"]
    BETAS, EPS = (0.9, 0.999), 1e-8

    def update_tensor(self, tensor: Tensor, gradient: Tensor, state: list[Tensor], step: int) -> None:
        """Update one tensor by mean / √square of its gradients, both corrected for their bias."""
        (mean, square), (first, second) = state, self.BETAS
        mean.lerp_(gradient, 1 - first)
        square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        deviation = square.sqrt().div_(math.sqrt(1 - second**step)).add_(self.EPS)
        tensor.sub_(mean.div(deviation).mul_(self.learning_rates / (1 - first**step)))

    def map(self, change: Change) -> Self:
        """Return a copy whose tensors are the results of `change`, for example of fewer runs."""
        state = {name: change(tensor) for name, tensor in self.state.items()}
        return type(self)(change(self.learning_rates), self.weight_decay, state)


def initial_state(spec: TrainSpec, net: Net) -> dict[str, Tensor]:
    """Return the optimizer state before the first update: zeros, by name."""
    return {
        f"{name}.{key}.{each}": torch.zeros_like(tensor)
        for name, layer in net.layers.items()
        for key, tensor in layer.trained().items()
        for each in OPTIMIZER_STATE[spec.optimizer]
    }


def create_optimizer(spec: TrainSpec, learning_rates: Tensor, state: dict[str, Tensor]) -> Optimizer:
    """Create the optimizer of a spec for a stack; learning_rates are [runs, 1, 1].

    `state` is `initial_state`, or the state of an earlier attempt.
    """
    if spec.optimizer == "momentum":
        return Momentum(learning_rates, spec.weight_decay, state, spec.momentum)
    if spec.optimizer == "adam":
        return Adam(learning_rates, spec.weight_decay, state)
    return SGD(learning_rates, spec.weight_decay)
