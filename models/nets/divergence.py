"""The search for the first non-finite number of a training step."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from models.nets import activations
from models.nets.net import Net, loss_and_accuracy, targets_of


class Quantity(NamedTuple):
    """A named tensor of a layer, such as its product or the gradient of its weight."""

    layer: str
    name: str
    value: Tensor


class NonFinite(NamedTuple):
    """The first quantity that was not finite, its layer, and the step that computed it."""

    step: int
    layer: str
    quantity: str


def find_first_non_finite(quantities: Iterable[Quantity], step: int) -> NonFinite | None:
    """Return the first quantity with an infinite or NaN entry, or None if all are finite."""
    non_finite = (each for each in quantities if not torch.isfinite(each.value).all())
    return next((NonFinite(step, each.layer, each.name) for each in non_finite), None)


def quantities_before_update(net: Net, x: Tensor, labels: Tensor) -> Iterator[Quantity]:
    """Yield what a step computes before its update, in order of computation; the net does not change.

    x is [runs, batch, n_in], labels are [runs, batch]. Per layer: `product`, `pre_activation`; then `loss`
    of the output layer; then, from the output back, the gradients, such as `weight_gradient`.
    """
    net = net.map(Tensor.clone)  # training mode updates the running statistics
    h = x
    for name, layer in net.layers.items():
        yield Quantity(name, "product", layer.product(h))
        z, _ = layer.forward(h, training=True)
        yield Quantity(name, "pre_activation", z)
        h = activations.apply_(net.activation, z)
    result = net.backpropagate(x, targets_of(labels))
    loss, _ = loss_and_accuracy(result.log_probabilities, labels)
    yield Quantity(name, "loss", loss)
    layers = [*zip(net.layers.items(), result.gradients, strict=True)]
    for (name, layer), gradients in reversed(layers):
        for key, gradient in gradients.by_tensor(layer.weight).items():
            yield Quantity(name, f"{key}_gradient", gradient)


def quantities_after_update(tensors: dict[str, Tensor]) -> Iterator[Quantity]:
    """Yield the tensors of the net and the optimizer after an update, given as `hidden1.weight`."""
    for name, tensor in tensors.items():
        layer, _, quantity = name.partition(".")
        yield Quantity(layer, quantity, tensor)
