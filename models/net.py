"""A stack of layers with relu between them: prediction, loss and gradients."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, Self

import torch
from torch import Tensor

from models.layers import Dense, LayerGradients, Tape
from models.norms import NORM_TYPES
from models.spec import N_CLASSES, N_IN, TrainSpec
from models.streams import init_digest, standard_weights

EVALUATION_ROWS = 1000


class Backpropagated(NamedTuple):
    """One training batch: loss and accuracy of each run [runs], and the gradients of every layer."""

    loss: Tensor
    accuracy: Tensor
    gradients: list[LayerGradients]


class Net:
    """A stack of layers by name, the run axis first in every tensor."""

    def __init__(self, layers: dict[str, Dense]) -> None:
        self.layers = layers

    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, list[Tape]]:
        """Compute logits [runs, batch, classes] of inputs [runs, batch, n_in]."""
        *hidden, output = self.layers.values()
        tapes = []
        for layer in hidden:
            z, tape = layer.forward(x, training)
            tapes.append(tape)
            x = z.relu_()
        logits, tape = output.forward(x, training)
        return logits, [*tapes, tape]

    def backpropagate(self, x: Tensor, labels: Tensor) -> Backpropagated:
        """Compute loss and gradients on a batch; nothing but running statistics changes.

        The loss is the mean over rows of the cross-entropy of the logits; labels are [runs, batch].
        """
        logits, tapes = self.forward(x, training=True)
        log_probabilities = logits.log_softmax(-1)
        loss = -log_probabilities.gather(-1, labels.unsqueeze(-1)).mean((1, 2))
        accuracy = (logits.argmax(-1) == labels).float().mean(1)
        dz = _loss_gradient(log_probabilities, labels)
        return Backpropagated(loss, accuracy, self._backward(dz, tapes))

    def _backward(self, dz: Tensor, tapes: list[Tape]) -> list[LayerGradients]:
        layers = list(self.layers.values())
        gradients = [layers[-1].backward(dz, tapes[-1])]
        for index in reversed(range(len(layers) - 1)):
            dh = layers[index + 1].input_gradient(gradients[0])
            # relu passes the gradient where its output, the next layer's input, is positive.
            dz = torch.ops.aten.threshold_backward(dh, tapes[index + 1].x, 0)
            gradients.insert(0, layers[index].backward(dz, tapes[index]))
        return gradients

    def evaluate(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Answer mean loss and accuracy of each run [runs] on images [rows, n_in]."""
        runs = self.runs
        loss = torch.zeros(runs, dtype=torch.float64)
        correct = torch.zeros(runs, dtype=torch.int64)
        for x, y in zip(
            torch.split(images, EVALUATION_ROWS), torch.split(labels, EVALUATION_ROWS), strict=True
        ):
            logits, _ = self.forward(x.expand(runs, -1, -1), training=False)
            picked = logits.log_softmax(-1).gather(-1, y.expand(runs, -1).unsqueeze(-1))
            loss -= picked.sum((1, 2), dtype=torch.float64)
            correct += (logits.argmax(-1) == y).sum(1)
        return loss / len(images), correct.double() / len(images)

    @property
    def runs(self) -> int:
        """How many runs the net stacks."""
        return next(iter(self.layers.values())).weight.shape[0]

    def tensors(self) -> dict[str, Tensor]:
        """Name every tensor, as `hidden1.weight`."""
        return {
            f"{name}.{key}": tensor
            for name, layer in self.layers.items()
            for key, tensor in layer.tensors().items()
        }

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Make the same net of changed tensors, say of fewer runs."""
        return type(self)({name: layer.map(change) for name, layer in self.layers.items()})

    def run(self, index: int) -> Self:
        """Answer a net of one run that shares its tensors with this one."""
        return self.map(lambda tensor: tensor[index : index + 1])


def stack(nets: Sequence[Net]) -> Net:
    """Stack nets of one shape along the run axis."""
    tensors = [net.tensors() for net in nets]
    stacked = nets[0].map(lambda tensor: tensor.repeat_interleave(len(nets), 0))
    for name, tensor in stacked.tensors().items():
        torch.cat([one[name] for one in tensors], out=tensor)
    return stacked


def build(spec: TrainSpec) -> tuple[Net, str]:
    """Draw the net of a spec, before any data-dependent init, and the digest of its standard draw."""
    draws = [standard_weights(spec.seed, number, *shape) for number, shape in enumerate(weight_shapes(spec))]
    return assemble(spec, [draw * spec.weight_std for draw in draws]), init_digest(draws)


def assemble(spec: TrainSpec, weights: list[Tensor]) -> Net:
    """Make a net of one run from the weights [n_in, n_units] of its layers, its norms as at the start."""
    layers = {}
    for name, weight, norm in zip(layer_names(spec), weights, spec.norms(), strict=True):
        stacked = weight.unsqueeze(0)
        layers[name] = Dense(stacked, NORM_TYPES[norm].fresh(stacked, 8))
    return Net(layers)


def weight_shapes(spec: TrainSpec) -> list[tuple[int, int]]:
    """Answer (n_in, n_units) of each layer, from the input on."""
    return list(pairwise((N_IN, spec.n_units, N_CLASSES)))


def layer_names(spec: TrainSpec) -> list[str]:
    """Name the layers of a net from the input on."""
    return [*(f"hidden{number}" for number in range(1, len(weight_shapes(spec)))), "output"]


def _loss_gradient(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """Compute d mean cross-entropy / d logits: (softmax − one-hot) / batch."""
    dz = log_probabilities.exp()
    rows = labels.shape[1]
    dz.scatter_add_(-1, labels.unsqueeze(-1), dz.new_full((*labels.shape, 1), -1.0))
    return dz.div_(rows)
