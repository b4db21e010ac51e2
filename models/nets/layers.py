"""The kinds of layer: from inputs to pre-activations, and from their gradients back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from models.nets.norm import Norm, NormGradients
from models.specs.plan import LayerPlan


class Tape(NamedTuple):
    """The input and the saved tensors of a forward pass, for the backward pass.

    `rows` is the input as the product takes it, if that is not the input itself.
    """

    x: Tensor
    saved: Any
    rows: Tensor | None = None


class Gradients(Protocol):
    """The gradients of a layer."""

    def by_tensor(self, weight: Tensor) -> dict[str, Tensor]:
        """Return the gradient of each trained tensor by name; `weight` has the shape of the weight."""

    def descend(self, layer: "Layer", rates: Tensor, decay: Tensor | None) -> None:
        """Subtract rates · gradient from each trained tensor; the gradients may be overwritten.

        `rates` are [runs, 1, 1]; weights are multiplied by `decay` [runs, 1, 1] first, unless it is None.
        """


class LayerGradients(NamedTuple):
    """The gradients of a dense layer.

    The gradient of the weight is kept as its factors x and da: dW = xᵀ da − projection · W.
    """

    x: Tensor
    norm: NormGradients

    def by_tensor(self, weight: Tensor) -> dict[str, Tensor]:
        """Return the gradient of each trained tensor by name; `weight` has the shape of the weight."""
        return _by_tensor(torch.bmm(self.x.transpose(1, 2), self.norm.da), self.norm, weight)

    def descend(self, layer: "Layer", rates: Tensor, decay: Tensor | None) -> None:
        """Subtract rates · gradient from each trained tensor; dW is never stored, and da is overwritten."""
        _shrink(layer.weight, self.norm, rates, decay)
        layer.weight.baddbmm_(self.x.transpose(1, 2), self.norm.da.mul_(rates), alpha=-1)
        _descend_norm(layer.norm, self.norm, rates)


def _by_tensor(product: Tensor, norm: NormGradients, weight: Tensor) -> dict[str, Tensor]:
    """Subtract projection · W from the product, in place, and name the gradients."""
    if norm.projection is not None:
        lifted = weight if norm.lift is None else weight * norm.lift
        product.addcmul_(lifted, norm.projection, value=-1)
    gains = {} if norm.gain is None else {"gain": norm.gain}
    return {"weight": product, **gains, "shift": norm.shift}


class KernelGradients(NamedTuple):
    """The gradients of a convolution of x; `product` is dW without the projection [runs, fan_in, units]."""

    product: Tensor
    norm: NormGradients
    x: Tensor

    def by_tensor(self, weight: Tensor) -> dict[str, Tensor]:
        """Return the gradient of each trained tensor by name; `weight` has the shape of the weight."""
        return _by_tensor(self.product.clone(), self.norm, weight)

    def descend(self, layer: "Layer", rates: Tensor, decay: Tensor | None) -> None:
        """Subtract rates · gradient from each trained tensor."""
        _shrink(layer.weight, self.norm, rates, decay)
        layer.weight.addcmul_(self.product, rates, value=-1)
        _descend_norm(layer.norm, self.norm, rates)


def _shrink(weight: Tensor, norm: NormGradients, rates: Tensor, decay: Tensor | None) -> None:
    """Multiply a weight by its decay and by what the projection adds to it."""
    if norm.projection is None:
        if decay is not None:
            weight.mul_(decay)
        return
    factor = torch.ones_like(rates) if decay is None else decay
    if norm.lift is not None:
        weight.mul_(norm.lift)
        factor = factor / norm.lift
    weight.mul_(torch.addcmul(factor, norm.projection, rates))


def _descend_norm(norm: Norm, gradients: NormGradients, rates: Tensor) -> None:
    if gradients.gain is not None:
        norm.gain.addcmul_(gradients.gain, rates, value=-1)
    norm.shift.addcmul_(gradients.shift, rates, value=-1)


@dataclass
class Layer:
    """A weight [runs, fan_in, units] and a norm: z = norm(product of x and the weight).

    A subclass makes the product, and its gradients in `backward` and `input_gradient`. Its z is [runs, batch,
    units], or [runs, batch, units, places].
    """

    weight: Tensor
    norm: Norm

    activates: ClassVar[bool] = True
    """Whether the activation function of the net follows, unless this is the output layer."""

    @classmethod
    def create(cls, plan: LayerPlan, weight: Tensor, norm: Norm) -> Self:
        """Create a layer of this plan."""
        return cls(weight, norm)

    def product(self, x: Tensor) -> Tensor:
        """Compute a, the pre-activations before the norm."""
        raise NotImplementedError

    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, Tape]:
        """Compute the pre-activations z."""
        z, saved = self.norm.forward(self.product(x), self.weight, training)
        return z, Tape(x, saved)

    def backward(self, dz: Tensor, tape: Tape) -> Gradients:
        """Compute the gradients of the layer's tensors from dL/dz."""
        raise NotImplementedError

    def input_gradient(self, gradients: Any) -> Tensor:
        """Compute dL/dx, which every layer except the first needs."""
        raise NotImplementedError

    def trace(self, x: Tensor, training: bool) -> Iterator[tuple[str, str, Tensor]]:
        """Yield what a forward pass computes as part of the layer, quantity and value; the last is z."""
        yield "", "product", self.product(x)
        z, _ = self.forward(x, training)
        yield "", "pre_activation", z

    def tensors(self) -> dict[str, Tensor]:
        """Return every tensor of the layer by name."""
        return {"weight": self.weight, **self.norm.tensors()}

    def trained(self) -> dict[str, Tensor]:
        """Return the tensors that the optimizer updates by name: all except running statistics."""
        return {name: tensor for name, tensor in self.tensors().items() if "running_" not in name}

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Return a copy whose tensors are the results of `change`, for example of fewer runs."""
        return replace(self, weight=change(self.weight), norm=self.norm.map(change))


@dataclass
class Dense(Layer):
    """A fully connected layer: z = norm(x W), W [runs, n_in, n_units], x [runs, batch, n_in]."""

    def product(self, x: Tensor) -> Tensor:
        """Compute a = x W [runs, batch, n_units], before the norm."""
        return torch.bmm(x, self.weight)

    def backward(self, dz: Tensor, tape: Tape) -> LayerGradients:
        """Compute the gradients of the layer's tensors from dL/dz [runs, batch, n_units]."""
        return LayerGradients(tape.x, self.norm.backward(dz, tape.saved))

    def input_gradient(self, gradients: Any) -> Tensor:
        """Compute dL/dx [runs, batch, n_in], which every layer except the first needs."""
        return torch.bmm(gradients.norm.da, self.weight.transpose(1, 2))


@dataclass
class Flattened(Dense):
    """A fully connected layer on units with places: x [runs, batch, units, places], read place by place."""

    places: int

    @classmethod
    def create(cls, plan: LayerPlan, weight: Tensor, norm: Norm) -> Self:
        """Create a layer of this plan."""
        return cls(weight, norm, plan.input_places)

    def product(self, x: Tensor) -> Tensor:
        """Compute a [runs, batch, n_units], before the norm."""
        return super().product(self._rows(x))

    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, Tape]:
        """Compute the pre-activations z [runs, batch, n_units]."""
        rows = self._rows(x)
        z, saved = self.norm.forward(super().product(rows), self.weight, training)
        return z, Tape(x, saved, rows)

    def backward(self, dz: Tensor, tape: Tape) -> LayerGradients:
        """Compute the gradients of the layer's tensors from dL/dz [runs, batch, n_units]."""
        rows = self._rows(tape.x) if tape.rows is None else tape.rows
        return LayerGradients(rows, self.norm.backward(dz, tape.saved))

    def input_gradient(self, gradients: Any) -> Tensor:
        """Compute dL/dx [runs, batch, units, places]."""
        rows = super().input_gradient(gradients)
        return rows.view(*rows.shape[:2], self.places, -1).transpose(2, 3).contiguous()

    @staticmethod
    def _rows(x: Tensor) -> Tensor:  # (runs, batch, places · units)
        return x.transpose(2, 3).flatten(2)
