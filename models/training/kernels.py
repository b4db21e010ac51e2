"""The identity of this process's arithmetic: what its kernels return for fixed small computations.

The names of torch and of the CPU do not decide the bits of a run: MKL, torch and numpy each choose their
kernels by the CPU and by settings of their own.
"""

import hashlib
from collections.abc import Iterator
from itertools import cycle
from typing import get_args

import torch
from torch import Tensor

from models.nets.init import initialise
from models.nets.net import Net, assemble, loss_and_accuracy, stack, targets_of
from models.specs.facts import NORMS
from models.specs.spec import N_CLASSES, N_IN, Activation, OptimizerName, TrainSpec
from models.training.optimizers import create_optimizer, initial_state

STACKS = (1, 2)
DEEP = (32, 4096, 32)
"""Rows, length and columns of a product whose sums are as long as the longest of a net."""
SMALL, ARTICLE = (40, 24), (128, 128)
"""Rows of a batch and units of a layer."""
CHANNELS = 16
MOST_NUMBERS = 2**18


def kernels_sha256() -> str:
    """Return the sha256 of what a step of each norm computes from fixed numbers, on this thread.

    Equal digests mean that equal specs get equal bits, in all likelihood: kernels that differ only for
    sizes that are not tried here are not seen. Call `prepare_thread` first. Takes tens of milliseconds.
    """
    digest = hashlib.sha256()
    for result in _results(_scattered()):
        digest.update(result.contiguous().numpy().data)
    return digest.hexdigest()


def _results(numbers: Tensor) -> Iterator[Tensor]:
    for runs in STACKS:
        for spec in _specs():
            yield from _train(spec, runs, numbers)
        yield from _products(runs, numbers)


def _specs() -> Iterator[TrainSpec]:
    """Yield a spec for each norm, with every activation and optimizer among them, and one for each net."""
    batch, units = SMALL
    optimizers = get_args(OptimizerName)
    for norm, activation, optimizer in zip(
        NORMS, cycle(get_args(Activation)), cycle(optimizers), strict=False
    ):
        spec = TrainSpec(norm=norm, n_units=units, batch_size=batch, groups=3 if norm == "group" else 8)
        yield spec.model_copy(update={"activation": activation, "optimizer": optimizer, "weight_decay": 0.01})
    yield TrainSpec(n_units=ARTICLE[1], batch_size=ARTICLE[0])
    yield TrainSpec(net="conv", n_units=CHANNELS, batch_size=batch)
    yield from (
        TrainSpec(net="lstm", norm=norm, n_units=units, batch_size=batch) for norm in ("none", "layer")
    )


def _train(spec: TrainSpec, runs: int, numbers: Tensor) -> Iterator[Tensor]:
    """Initialise so many runs and take one step; yield all that this computes."""
    net = stack([_net(spec, numbers[run:]) for run in range(runs)])
    images = _shaped(numbers, runs, spec.batch_size, N_IN).abs()
    labels = torch.arange(runs * spec.batch_size).view(runs, -1) % N_CLASSES
    initialise(net.run(0), images[:1])
    result = net.backpropagate(images, targets_of(labels))
    rates = torch.full((runs, 1, 1), spec.learning_rate)
    optimizer = create_optimizer(spec, rates, initial_state(spec, net))
    for (name, layer), gradients in zip(net.layers.items(), result.gradients, strict=True):
        optimizer.update(name, layer, gradients, step=1)
    yield from loss_and_accuracy(result.log_probabilities, labels)
    yield from net.evaluate(images[0], labels[0])
    yield from net.tensors().values()


def _net(spec: TrainSpec, numbers: Tensor) -> Net:
    shapes = {layer.name: (layer.fan_in, layer.n_units) for layer in spec.plan() if layer.fan_in}
    return assemble(spec, {name: _shaped(numbers, *shape) / 8 for name, shape in shapes.items()})


def _products(runs: int, numbers: Tensor) -> Iterator[Tensor]:
    rows, length, columns = DEEP
    x, w = _shaped(numbers, runs, rows, length), _shaped(numbers, runs, length, columns)
    yield torch.bmm(x, w)
    yield torch.bmm(x, _shaped(numbers, runs, columns, length).transpose(1, 2))
    yield torch.bmm(_shaped(numbers, runs, length, rows).transpose(1, 2), w)


def _shaped(numbers: Tensor, *shape: int) -> Tensor:
    return numbers[: torch.Size(shape).numel()].view(shape)


def _scattered() -> Tensor:
    """Return numbers from -1 to below 1 that look random and are the same on every machine.

    They are made of whole numbers, and of a division by a power of two, which is exact.
    """
    whole = torch.arange(MOST_NUMBERS + max(STACKS)).mul_(2_654_435_761).bitwise_and_(2**32 - 1)
    return whole.bitwise_right_shift_(12).sub_(2**19).float().div_(2**19)
