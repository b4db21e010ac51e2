"""A stack of layers with activation functions between them: prediction, loss and gradients."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from models.nets import activations
from models.nets.conv import Conv
from models.nets.layers import Dense, Flattened, Gradients, Layer, Tape
from models.nets.lstm_start import create_lstm
from models.nets.norms import NORM_TYPES
from models.specs.memory import EVALUATION_ROWS
from models.specs.plan import LayerKind
from models.specs.spec import N_CLASSES, Activation, TrainSpec

LAYER_TYPES: dict[LayerKind, type[Layer]] = {"dense": Dense, "conv": Conv, "flattened": Flattened}


class Backpropagated(NamedTuple):
    """Log-probabilities [runs, batch, classes] of a training batch, and gradients and tapes of all layers."""

    log_probabilities: Tensor
    gradients: list[Gradients]
    tapes: list[Tape]


class Evaluated(NamedTuple):
    """Logits [runs, rows, classes] of some images, and the sum of their losses [runs], in float64."""

    logits: Tensor
    loss: Tensor


class Net:
    """Layers by name, from the input to the output; the first axis of every tensor is the run."""

    def __init__(self, layers: Mapping[str, Layer], activation: Activation) -> None:
        self.layers = layers
        self.activation = activation

    def forward(self, x: Tensor, training: bool) -> tuple[Tensor, list[Tape]]:
        """Compute logits [runs, batch, classes] of inputs [runs, batch, n_in]."""
        *hidden, output = self.layers.values()
        tapes = []
        for layer in hidden:
            z, tape = layer.forward(x, training)
            tapes.append(tape)
            x = activations.apply_(self.activation, z) if layer.activates else z
        logits, tape = output.forward(x, training)
        return logits, [*tapes, tape]

    def backpropagate(self, x: Tensor, targets: Tensor) -> Backpropagated:
        """Compute the gradients of the mean cross-entropy on a batch; this updates running statistics only.

        x is [runs, batch, n_in]; `targets_of` makes the targets. For loss and accuracy, pass the
        log-probabilities to `loss_and_accuracy`.
        """
        logits, tapes = self.forward(x, training=True)
        log_probabilities = log_softmax(logits)
        # d mean cross-entropy / d logits = (softmax − one-hot) / batch
        dz = torch.add(targets, log_probabilities.exp(), alpha=1 / x.shape[1])
        return Backpropagated(log_probabilities, self._backward(dz, tapes), tapes)

    def _backward(self, dz: Tensor, tapes: list[Tape]) -> list[Gradients]:
        layers = list(self.layers.values())
        gradients = [layers[-1].backward(dz, tapes[-1])]
        for index in reversed(range(len(layers) - 1)):
            dh = layers[index + 1].input_gradient(gradients[0])
            # The output h of this layer's activation is the input of the next layer.
            if layers[index].activates:
                dh = activations.backward_(self.activation, dh, tapes[index + 1].x)
            gradients.insert(0, layers[index].backward(dh, tapes[index]))
        return gradients

    def evaluate(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean loss and accuracy [runs], in float64, on images [rows, n_in] and labels [rows]."""
        runs = self.runs
        loss = torch.zeros(runs, dtype=torch.float64)
        correct = torch.zeros(runs, dtype=torch.int64)
        for x, y in zip(
            torch.split(images, EVALUATION_ROWS), torch.split(labels, EVALUATION_ROWS), strict=True
        ):
            evaluated = self.evaluate_block(x, y)
            loss += evaluated.loss
            correct += (evaluated.logits.argmax(-1) == y).sum(1)
        return loss / len(images), correct.double() / len(images)

    def evaluate_block(self, x: Tensor, y: Tensor) -> Evaluated:
        """Compute logits and loss of at most EVALUATION_ROWS images x [rows, n_in] with labels y [rows]."""
        runs = self.runs
        logits, _ = self.forward(x.expand(runs, -1, -1), training=False)
        picked = log_softmax(logits).gather(-1, y.expand(runs, -1).unsqueeze(-1))
        return Evaluated(logits, -picked.sum((1, 2), dtype=torch.float64))

    @property
    def runs(self) -> int:
        """The number of stacked runs."""
        return next(iter(self.layers.values())).weight.shape[0]

    def tensors(self) -> dict[str, Tensor]:
        """Return every tensor by name, such as `hidden1.weight`."""
        return {
            f"{name}.{key}": tensor
            for name, layer in self.layers.items()
            for key, tensor in layer.tensors().items()
        }

    def is_finite(self) -> bool:
        """Return whether every number of every tensor is finite."""
        return all(bool(np.isfinite(tensor.numpy()).all()) for tensor in self.tensors().values())

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Return a copy whose tensors are the results of `change`, for example of fewer runs."""
        layers = {name: layer.map(change) for name, layer in self.layers.items()}
        return type(self)(layers, self.activation)

    def run(self, index: int) -> Self:
        """Return a net of one run that shares its tensors with this one."""
        return self.map(lambda tensor: tensor[index : index + 1])


def stack(nets: Sequence[Net]) -> Net:
    """Concatenate nets of one shape along the run axis; a single net is returned unchanged."""
    if len(nets) == 1:
        return nets[0]
    tensors = [net.tensors() for net in nets]
    stacked = nets[0].map(lambda tensor: tensor.repeat_interleave(len(nets), 0))
    for name, tensor in stacked.tensors().items():
        torch.cat([one[name] for one in tensors], out=tensor)
    return stacked


def assemble(spec: TrainSpec, weights: Mapping[str, Tensor]) -> Net:
    """Make a net of one run from the weights [fan_in, n_units] of its layers by name; its norms are new."""
    layers: dict[str, Layer] = {}
    for layer in spec.plan():
        if layer.kind == "lstm":
            layers["lstm1"] = layers.get("lstm1") or create_lstm(spec, weights)
        else:
            weight = weights[layer.name].unsqueeze(0)
            norm = NORM_TYPES[layer.norm].create(weight, layer.groups)
            layers[layer.name] = LAYER_TYPES[layer.kind].create(layer, weight, norm)
    return Net(layers, spec.activation)


def log_softmax(logits: Tensor) -> Tensor:
    """Compute log-probabilities from logits, both [runs, batch, classes]."""
    # Over the last axis torch works row by row: with ten classes, several times slower.
    return logits.transpose(1, 2).log_softmax(1).transpose(1, 2)


class Batch(NamedTuple):
    """The batch of a step: images [runs, batch, 784], labels [runs, batch], and `targets_of` the labels."""

    images: Tensor
    labels: Tensor
    targets: Tensor


def targets_of(labels: Tensor, n_classes: int = N_CLASSES, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return −one-hot / batch [..., batch, classes] of labels [..., batch].

    This is the part of the gradient of the loss that does not depend on the logits.
    """
    targets = torch.zeros(*labels.shape, n_classes, dtype=dtype)
    return targets.scatter_(-1, labels.unsqueeze(-1), -1 / labels.shape[-1])


def loss_and_accuracy(log_probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Compute mean cross-entropy and accuracy [...] from log-probabilities [..., batch, classes]."""
    loss = -log_probabilities.gather(-1, labels.unsqueeze(-1)).squeeze(-1).mean(-1)
    accuracy = (log_probabilities.argmax(-1) == labels).float().mean(-1)
    return loss, accuracy
