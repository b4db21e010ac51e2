"""The kinds of layer: how inputs become pre-activations, and how gradients come back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor

from models.nets.norm import Norm, NormGradients, Saved


class Tape(NamedTuple):
    """What a layer's backward pass needs of its forward pass."""

    x: Tensor
    saved: Saved


class LayerGradients(NamedTuple):
    """The gradients of a layer, the one of the weights in factors: dW = xᵀ da − pull · W."""

    x: Tensor
    norm: NormGradients

    def by_tensor(self, weight: Tensor) -> dict[str, Tensor]:
        """Name the gradient of each trained tensor, with the factors of dL/dW multiplied out."""
        dw = torch.bmm(self.x.transpose(1, 2), self.norm.da)
        if self.norm.pull is not None:
            dw.addcmul_(weight, self.norm.pull, value=-1)
        gains = {} if self.norm.gain is None else {"gain": self.norm.gain}
        return {"weight": dw, **gains, "shift": self.norm.shift}


@dataclass
class Dense:
    """A fully connected layer: z = norm(x W), W [runs, n_in, n_units], x [runs, batch, n_in]."""

    weight: Tensor
    norm: Norm

    def product(self, x: Tensor) -> Tensor:
        """Compute a = x W, before the norm."""
        return torch.bmm(x, self.weight)

    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, Tape]:
        """Compute the pre-activations z [runs, batch, n_units]."""
        z, saved = self.norm.forward(self.product(x), self.weight, training)
        return z, Tape(x, saved)

    def backward(self, dz: Tensor, tape: Tape) -> LayerGradients:
        """Compute the gradients of the layer's own tensors from dL/dz."""
        return LayerGradients(tape.x, self.norm.backward(dz, tape.saved))

    def input_gradient(self, gradients: LayerGradients) -> Tensor:
        """Compute dL/dx [runs, batch, n_in]; the first layer never needs it."""
        return torch.bmm(gradients.norm.da, self.weight.transpose(1, 2))

    def tensors(self) -> dict[str, Tensor]:
        """Name every tensor of the layer."""
        return {"weight": self.weight, **self.norm.tensors()}

    def trained(self) -> dict[str, Tensor]:
        """Name the tensors that updates move; running statistics are not among them."""
        return {name: tensor for name, tensor in self.tensors().items() if not name.startswith("running_")}

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Make the same layer of changed tensors, say of fewer runs."""
        return type(self)(change(self.weight), self.norm.map(change))
