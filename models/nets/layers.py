"""The kinds of layer: from inputs to pre-activations, and from their gradients back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor

from models.nets.norm import Norm, NormGradients, Saved


class Tape(NamedTuple):
    """The input and the saved tensors of a forward pass, for the backward pass."""

    x: Tensor
    saved: Saved


class LayerGradients(NamedTuple):
    """The gradients of a layer.

    The gradient of the weight is kept as its factors x and da: dW = xᵀ da − projection · W.
    """

    x: Tensor
    norm: NormGradients

    def by_tensor(self, weight: Tensor) -> dict[str, Tensor]:
        """Return the gradient of each trained tensor by name; `weight` has the shape of the weight."""
        dw = torch.bmm(self.x.transpose(1, 2), self.norm.da)
        if self.norm.projection is not None:
            lifted = weight if self.norm.lift is None else weight * self.norm.lift
            dw.addcmul_(lifted, self.norm.projection, value=-1)
        gains = {} if self.norm.gain is None else {"gain": self.norm.gain}
        return {"weight": dw, **gains, "shift": self.norm.shift}


@dataclass
class Dense:
    """A fully connected layer: z = norm(x W), W [runs, n_in, n_units], x [runs, batch, n_in]."""

    weight: Tensor
    norm: Norm

    def product(self, x: Tensor) -> Tensor:
        """Compute a = x W [runs, batch, n_units], before the norm."""
        return torch.bmm(x, self.weight)

    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, Tape]:
        """Compute the pre-activations z [runs, batch, n_units]."""
        z, saved = self.norm.forward(self.product(x), self.weight, training)
        return z, Tape(x, saved)

    def backward(self, dz: Tensor, tape: Tape) -> LayerGradients:
        """Compute the gradients of the layer's tensors from dL/dz [runs, batch, n_units]."""
        return LayerGradients(tape.x, self.norm.backward(dz, tape.saved))

    def input_gradient(self, gradients: LayerGradients) -> Tensor:
        """Compute dL/dx [runs, batch, n_in], which every layer except the first needs."""
        return torch.bmm(gradients.norm.da, self.weight.transpose(1, 2))

    def tensors(self) -> dict[str, Tensor]:
        """Return every tensor of the layer by name."""
        return {"weight": self.weight, **self.norm.tensors()}

    def trained(self) -> dict[str, Tensor]:
        """Return the tensors that the optimizer updates by name: all except running statistics."""
        return {name: tensor for name, tensor in self.tensors().items() if not name.startswith("running_")}

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Return a copy whose tensors are the results of `change`, for example of fewer runs."""
        return type(self)(change(self.weight), self.norm.map(change))
