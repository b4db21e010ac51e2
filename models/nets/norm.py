"""The base class of the norms, which turn a layer's product a = xW into its pre-activation z.

The run axis comes first: a, u and z are [runs, batch, units], or [runs, batch, units, places] for a layer
whose units have several places per example, such as the positions of a convolution. Per-unit tensors are
[runs, 1, units] for either.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import torch
from torch import Tensor


class Saved(NamedTuple):
    """What a backward pass needs from its forward pass.

    `inverse` is what a was multiplied by, such as 1 / deviation. `lift` is that of `NormGradients`.
    """

    u: Tensor
    inverse: Tensor
    training: bool
    lift: Tensor | None = None


class NormGradients(NamedTuple):
    """The gradients of a norm: of its input a, its gain and its shift.

    `projection` [runs, 1, units] is set by norms that depend on the weights: dW = xᵀ da − projection · W.
    With `lift` [runs, 1, units], for weights so short or long that projection · W would overflow on the way,
    dW = xᵀ da − projection · (lift · W).
    """

    da: Tensor
    gain: Tensor | None
    shift: Tensor
    projection: Tensor | None = None
    lift: Tensor | None = None


class Folded(NamedTuple):
    """A weight [runs, fan_in, units] and a shift [runs, 1, units]: z = x · weight + shift."""

    weight: Tensor
    shift: Tensor


class Scaling(NamedTuple):
    """What the norm of a recurrent layer has besides a.

    Gain and shift are [units]; running statistics are [units], or [steps, units] for all time steps.
    """

    gain: Tensor | None
    shift: Tensor | None
    groups: int
    training: bool
    running_mean: Tensor | None = None
    running_var: Tensor | None = None

    def apply(self, u: Tensor) -> Tensor:
        """Compute gain · u + shift, of those that there are."""
        if self.gain is not None and self.shift is not None:
            return torch.addcmul(self.shift, u, self.gain)
        if self.gain is not None:
            u = u * self.gain
        return u if self.shift is None else u + self.shift


class Operators(Protocol):
    """An ONNX graph, to which a norm adds its operators."""

    def constant(self, name: str, value: np.ndarray) -> str:
        """Add a constant; return its name."""

    def add(self, operator: str, output: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output; return the name of the output."""


@dataclass
class Norm:
    """A norm: z = gain · u + shift, where u is the normalised a.

    A subclass computes u in `normalise` and the gradients in `backward`; in `at_step` it computes z of a
    recurrent layer. For exports it has either `fold` or `add_rows`.
    """

    gain: Tensor
    shift: Tensor

    @classmethod
    def create(cls, weight: Tensor, groups: int) -> Self:  # weight (runs, n_in, units)
        """Create the norm of a layer with these weights, with gain 1 and shift 0.

        `groups` is the number of groups of the units; only norms over groups use it.
        """
        return cls(gain=ones(weight), shift=zeros(weight))

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        """Overwrite a with u; return u and the factor that made it (`Saved.inverse`)."""
        raise NotImplementedError

    def forward(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Saved]:
        """Compute z from a, which may be overwritten.

        In training, statistics over the batch come from this batch, and running statistics are updated.
        """
        u, inverse = self.normalise(a, weight, training)
        z = torch.addcmul(per_unit(self.shift, u), u, per_unit(self.gain, u))
        return z, Saved(u, inverse, training)

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        """Compute the gradients from dL/dz, which has the shape of z."""
        raise NotImplementedError

    @staticmethod
    def at_step(a: Tensor, scaling: Scaling) -> Tensor:
        """Compute z from a [batch, units] of one time step, or [steps, batch, units] of all.

        Autograd follows it. Effective weights have the gains of the norms of weights already.
        """
        raise NotImplementedError

    def fold(self, weight: Tensor) -> Folded | None:
        """Return the weight and shift that alone compute z in evaluation; None if z needs statistics of a."""
        return None

    @staticmethod
    def add_rows(graph: Operators, name: str, rows: str, size: int) -> str:
        """Add the operators that compute u from rows [..., size], for a norm that cannot be folded.

        A row has the units and places of one example, or of one of its groups. Names of outputs and constants
        start with `name`, and a dot. Return the name of u. Opset 17 and onnx's reference implementation must
        have the operators.
        """
        raise NotImplementedError

    def set_gain_and_shift(self, gain: Tensor, shift: Tensor, weight: Tensor) -> None:
        """Set the gain and shift [runs, 1, units] that data-dependent initialisation has computed."""
        self.gain.copy_(gain)
        self.shift.copy_(shift)

    def start_running_statistics(self, a: Tensor) -> None:
        """Set running statistics, if there are any, to the statistics of this batch."""

    def tensors(self) -> dict[str, Tensor]:
        """Return every tensor of the norm by name: trained ones and running statistics."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Return a copy whose tensors are the results of `change`, for example of fewer runs."""
        return replace(self, **{name: change(tensor) for name, tensor in self.tensors().items()})


def ones(weight: Tensor) -> Tensor:
    """Return per-unit ones [runs, 1, units] for weights [runs, n_in, units]."""
    return torch.ones(weight.shape[0], 1, weight.shape[2], dtype=weight.dtype)


def zeros(weight: Tensor) -> Tensor:
    """Return per-unit zeros [runs, 1, units] for weights [runs, n_in, units]."""
    return torch.zeros(weight.shape[0], 1, weight.shape[2], dtype=weight.dtype)


def per_unit(values: Tensor, a: Tensor) -> Tensor:
    """View per-unit values [runs, 1, units] with as many axes as a has."""
    return values if a.dim() == 3 else values.unsqueeze(-1)


def sum_of_units(a: Tensor) -> Tensor:
    """Sum over the batch and the places of each unit: [runs, 1, units]."""
    # Two sums in this order: the order in which one sum over two axes adds depends on the number of runs.
    return (a if a.dim() == 3 else a.sum(-1)).sum(1, keepdim=True)


def mean_of_units(a: Tensor) -> Tensor:
    """Compute the mean over the batch and the places of each unit: [runs, 1, units]."""
    return (a if a.dim() == 3 else a.mean(-1)).mean(1, keepdim=True)


def values_per_unit(a: Tensor) -> int:
    """Return the number of values that `sum_of_units` adds."""
    return a.shape[1] if a.dim() == 3 else a.shape[1] * a.shape[3]


def rows_of(a: Tensor) -> Tensor:
    """View a with one axis for the units and places of an example: [runs, batch, units · places]."""
    return a if a.dim() == 3 else a.view(*a.shape[:2], -1)
