"""The base of every norm: what a layer's product a = xW passes through before the non-linearity.

All tensors carry a run axis first: a, u, z are [runs, batch, units], per-unit tensors [runs, 1, units].
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor

EPS = 1e-5
RUNNING_RATE = 0.1


class Saved(NamedTuple):
    """What backward needs of a forward pass: u, its scale 1/deviation or 1/length, and the mode."""

    u: Tensor
    inverse: Tensor
    training: bool


class NormGradients(NamedTuple):
    """Gradients of one backward pass.

    `pull` [runs, 1, units] is what a norm that depends on the weights adds to their gradient:
    dW = xᵀ da − pull · W.
    """

    da: Tensor
    gain: Tensor | None
    shift: Tensor
    pull: Tensor | None = None


@dataclass
class Norm:
    """z = gain · u + shift, where u is what the norm makes of a."""

    gain: Tensor
    shift: Tensor

    @classmethod
    def fresh(cls, weight: Tensor, groups: int) -> Self:  # weight (runs, n_in, units)
        """Make the norm of a layer that has just drawn its weights: gain 1, shift 0."""
        return cls(gain=ones(weight), shift=zeros(weight))

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        """Turn a into u, in place, and compute the scale that made it."""
        raise NotImplementedError

    def forward(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Saved]:
        """Compute z; in training, statistics are those of the batch and running ones move on."""
        u, inverse = self.normalise(a, weight, training)
        return torch.addcmul(self.shift, u, self.gain), Saved(u, inverse, training)

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        """Compute the gradients of a forward pass from dL/dz."""
        raise NotImplementedError

    def rescale(self, gain: Tensor, shift: Tensor, weight: Tensor) -> None:
        """Take the gain and shift that data-dependent initialisation found."""
        self.gain.copy_(gain)
        self.shift.copy_(shift)

    def adopt(self, a: Tensor) -> None:
        """Start running statistics, where there are any, at those of this batch."""

    def tensors(self) -> dict[str, Tensor]:
        """Name every tensor of the norm, trained or running."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Make the same norm of changed tensors, say of fewer runs."""
        return replace(self, **{name: change(tensor) for name, tensor in self.tensors().items()})


def ones(weight: Tensor) -> Tensor:
    """Make a per-unit tensor [runs, 1, units] of ones beside weights [runs, n_in, units]."""
    return torch.ones(weight.shape[0], 1, weight.shape[2], dtype=weight.dtype)


def zeros(weight: Tensor) -> Tensor:
    """Make a per-unit tensor [runs, 1, units] of zeros beside weights [runs, n_in, units]."""
    return torch.zeros(weight.shape[0], 1, weight.shape[2], dtype=weight.dtype)
