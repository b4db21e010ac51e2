"""The search for the first non-finite number of a training step.

models/training/metric_buffer.py decides whether there is one.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from models.nets import activations
from models.nets.lstm import PARTS
from models.nets.net import Net, loss_and_accuracy, targets_of
from models.specs.memory import EVALUATION_ROWS


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
    yield from _forward(net, x, training=True)
    result = net.backpropagate(x, targets_of(labels))
    loss, _ = loss_and_accuracy(result.log_probabilities, labels)
    yield Quantity([*net.layers][-1], "loss", loss)
    layers = [*zip(net.layers.items(), result.gradients, strict=True)]
    for (name, layer), gradients in reversed(layers):
        for key, gradient in gradients.by_tensor(layer.weight).items():
            yield _quantity(f"{name}.{key}_gradient", gradient)


def quantities_after_update(tensors: dict[str, Tensor]) -> Iterator[Quantity]:
    """Yield the tensors of the net and the optimizer after an update, given as `hidden1.weight`."""
    for name, tensor in tensors.items():
        yield _quantity(name, tensor)


def quantities_of_evaluation(net: Net, split: str, images: Tensor, labels: Tensor) -> Iterator[Quantity]:
    """Yield what the evaluation of a net on a split computes, in order of computation.

    images are [rows, n_in], labels are [rows]. Per layer, on split `test`: `test_product` and
    `test_pre_activation`; then `test_loss` of the output layer; all that for each block of rows.
    """
    for x, y in zip(torch.split(images, EVALUATION_ROWS), torch.split(labels, EVALUATION_ROWS), strict=True):
        yield from _forward(net, x.expand(net.runs, -1, -1), training=False, prefix=f"{split}_")
        loss, _ = net.evaluate(x, y)
        yield Quantity([*net.layers][-1], f"{split}_loss", loss)


def _forward(net: Net, x: Tensor, training: bool, prefix: str = "") -> Iterator[Quantity]:
    for name, layer in net.layers.items():
        for part, quantity, value in layer.trace(x, training):
            yield Quantity(name + part, prefix + quantity, value)
            z = value
        x = activations.apply_(net.activation, z) if layer.activates else z


def _quantity(name: str, value: Tensor) -> Quantity:
    """Divide a name such as `lstm1.input.weight.velocity` after the layer and its part."""
    layer, *rest = name.split(".")
    part = [rest.pop(0)] if rest[0] in PARTS else []
    return Quantity(".".join([layer, *part]), ".".join(rest), value)
