"""How gradients become updates, one rule a class; each run of a stack has its own learning rate."""

import math
from collections.abc import Callable
from typing import Protocol, Self

import torch
from torch import Tensor

from models.nets.layers import Dense, LayerGradients
from models.nets.net import Net
from models.specs.spec import TrainSpec

Change = Callable[[Tensor], Tensor]


class Optimizer(Protocol):
    """A rule that moves the tensors of a layer; `step` counts updates from 1."""

    def update(self, name: str, layer: Dense, gradients: LayerGradients, step: int) -> None:
        """Move the trained tensors of the layer of this name; the gradients are used up."""

    def tensors(self) -> dict[str, Tensor]:
        """Name the tensors that a resumed run needs, the run axis first."""

    def map(self, change: Change) -> Self:
        """Make the same rule of changed tensors, say for fewer runs."""


class SGD:
    """Plain stochastic gradient descent: θ ← θ − learning_rate · (dθ + weight_decay · θ).

    The gradient of the weights is never materialised: its factors are multiplied into the weights.
    """

    def __init__(self, learning_rates: Tensor, weight_decay: float = 0.0) -> None:
        self.learning_rates = learning_rates  # (runs, 1, 1)
        self.weight_decay = weight_decay
        self.kept = 1 - weight_decay * learning_rates  # what decay leaves of a weight

    def update(self, name: str, layer: Dense, gradients: LayerGradients, step: int) -> None:
        """Move a layer's trained tensors."""
        norm, rates = gradients.norm, self.learning_rates
        if norm.pull is not None:
            layer.weight.mul_(torch.addcmul(self.kept, norm.pull, rates))
        elif self.weight_decay:
            layer.weight.mul_(self.kept)
        layer.weight.baddbmm_(gradients.x.transpose(1, 2), norm.da.mul_(rates), alpha=-1)
        if norm.gain is not None:
            layer.norm.gain.addcmul_(norm.gain, rates, value=-1)
        layer.norm.shift.addcmul_(norm.shift, rates, value=-1)

    def tensors(self) -> dict[str, Tensor]:
        """Name nothing: plain descent remembers nothing."""
        return {}

    def map(self, change: Change) -> Self:
        """Make the same rule for fewer runs."""
        return type(self)(change(self.learning_rates), self.weight_decay)


class _Remembering:
    """A rule with memory of the gradients of each trained tensor, named `hidden1.weight.velocity`."""

    MEMORIES: tuple[str, ...]

    def __init__(self, learning_rates: Tensor, weight_decay: float, memory: dict[str, Tensor]) -> None:
        self.learning_rates = learning_rates
        self.weight_decay = weight_decay
        self.memory = memory

    def update(self, name: str, layer: Dense, gradients: LayerGradients, step: int) -> None:
        """Move a layer's trained tensors."""
        for key, gradient in gradients.by_tensor(layer.weight).items():
            tensor = layer.tensors()[key]
            if key == "weight" and self.weight_decay:
                gradient.add_(tensor, alpha=self.weight_decay)
            memories = [self.memory[f"{name}.{key}.{memory}"] for memory in self.MEMORIES]
            self.move(tensor, gradient, memories, step)

    def move(self, tensor: Tensor, gradient: Tensor, memories: list[Tensor], step: int) -> None:
        """Move one tensor by its gradient and what is remembered of it."""
        raise NotImplementedError

    def tensors(self) -> dict[str, Tensor]:
        """Name all that is remembered."""
        return self.memory


class Momentum(_Remembering):
    """Heavy-ball descent as torch.optim.SGD has it: v ← momentum · v + dθ; θ ← θ − learning_rate · v."""

    MEMORIES = ("velocity",)

    def __init__(
        self, learning_rates: Tensor, weight_decay: float, memory: dict[str, Tensor], momentum: float
    ) -> None:
        super().__init__(learning_rates, weight_decay, memory)
        self.momentum = momentum

    def move(self, tensor: Tensor, gradient: Tensor, memories: list[Tensor], step: int) -> None:
        """Move one tensor along its velocity."""
        [velocity] = memories
        tensor.addcmul_(velocity.mul_(self.momentum).add_(gradient), self.learning_rates, value=-1)

    def map(self, change: Change) -> Self:
        """Make the same rule for fewer runs."""
        memory = {name: change(tensor) for name, tensor in self.memory.items()}
        return type(self)(change(self.learning_rates), self.weight_decay, memory, self.momentum)


class Adam(_Remembering):
    """Adam (Kingma & Ba 2015, arXiv 1412.6980) with its published constants and L2 in the gradient."""

    MEMORIES = ("mean", "square")
    BETAS, EPS = (0.9, 0.999), 1e-8

    def move(self, tensor: Tensor, gradient: Tensor, memories: list[Tensor], step: int) -> None:
        """Move one tensor by its mean gradient over the root of its mean square, both freed of their bias."""
        (mean, square), (first, second) = memories, self.BETAS
        mean.lerp_(gradient, 1 - first)
        square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        deviation = square.sqrt().div_(math.sqrt(1 - second**step)).add_(self.EPS)
        tensor.sub_(mean.div(deviation).mul_(self.learning_rates / (1 - first**step)))

    def map(self, change: Change) -> Self:
        """Make the same rule for fewer runs."""
        memory = {name: change(tensor) for name, tensor in self.memory.items()}
        return type(self)(change(self.learning_rates), self.weight_decay, memory)


MEMORIES: dict[str, tuple[str, ...]] = {"sgd": (), "momentum": Momentum.MEMORIES, "adam": Adam.MEMORIES}


def blank_memory(spec: TrainSpec, net: Net) -> dict[str, Tensor]:
    """Make what an optimizer remembers before its first update: zeros, for each trained tensor."""
    return {
        f"{name}.{key}.{memory}": torch.zeros_like(tensor)
        for name, layer in net.layers.items()
        for key, tensor in layer.trained().items()
        for memory in MEMORIES[spec.optimizer]
    }


def optimizer_of(spec: TrainSpec, learning_rates: Tensor, memory: dict[str, Tensor]) -> Optimizer:
    """Make the optimizer that a spec names, with what an earlier attempt remembered."""
    if spec.optimizer == "momentum":
        return Momentum(learning_rates, spec.weight_decay, memory, spec.momentum)
    if spec.optimizer == "adam":
        return Adam(learning_rates, spec.weight_decay, memory)
    return SGD(learning_rates, spec.weight_decay)
