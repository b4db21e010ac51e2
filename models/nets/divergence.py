"""Where a run stopped being finite: the first layer and quantity, in the order in which a step computes."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from models.nets import activations
from models.nets.net import Net, figures, targets_of


class Quantity(NamedTuple):
    """A tensor of a layer, by name."""

    layer: str
    name: str
    value: Tensor


class NonFinite(NamedTuple):
    """The quantity of a layer that was the first not to be finite, and the step that computed it."""

    step: int
    layer: str
    quantity: str


def first_non_finite(quantities: Iterable[Quantity], step: int) -> NonFinite | None:
    """Answer the first quantity that has an entry which is not finite."""
    broken = (each for each in quantities if not torch.isfinite(each.value).all())
    return next((NonFinite(step, each.layer, each.name) for each in broken), None)


def computed(net: Net, x: Tensor, labels: Tensor) -> Iterator[Quantity]:
    """Yield what a step computes before its update, on x [runs, batch, n_in] and labels [runs, batch]."""
    net = net.map(Tensor.clone)  # training mode moves the running statistics
    h = x
    for name, layer in net.layers.items():
        yield Quantity(name, "product", layer.product(h))
        z, _ = layer.forward(h, training=True)
        yield Quantity(name, "pre_activation", z)
        h = activations.apply_(net.activation, z)
    result = net.backpropagate(x, targets_of(labels))
    yield Quantity(name, "loss", figures(result.log_probabilities, labels)[0])
    layers = [*zip(net.layers.items(), result.gradients, strict=True)]
    for (name, layer), gradients in reversed(layers):
        for key, gradient in gradients.by_tensor(layer.weight).items():
            yield Quantity(name, f"{key}_gradient", gradient)


def kept(tensors: dict[str, Tensor]) -> Iterator[Quantity]:
    """Yield what a step leaves behind, from tensors named `hidden1.weight`."""
    for name, tensor in tensors.items():
        layer, _, quantity = name.partition(".")
        yield Quantity(layer, quantity, tensor)
