"""Estimates of the training time of a run, from the work of a step and the measured speed of a machine."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from models.specs.facts import NORMS
from models.specs.memory import EVALUATION_ROWS
from models.specs.plan import LayerPlan
from models.specs.spec import N_IN, TrainSpec

N_EVALUATED = 15_000
"""Validation and test images."""
STEP_CALLS, LAYER_CALLS, NORM_CALLS = 25, 8, 10
"""Calls of torch per step, per layer, and per normalised layer."""
CONVOLUTION_CALLS = 100
"""Calls that take as long as what a convolution costs besides its multiplications, per step."""
STEP_OF_CELLS_CALLS, STEP_OF_NORMED_CELLS_CALLS = 25, 185
"""Calls that take as long as a time step of cells, by torch's own LSTM and with norms."""
FORWARD_SHARE = 0.25
"""Share of a training step's calls that its forward pass makes."""
KERNEL_FLOPS = 1.6
"""Floating-point operations of a matrix product that take as long as one of a convolution."""
UPDATE_CALLS = {"sgd": 1, "momentum": 4, "adam": 9}
"""Calls of torch per update of a trained tensor."""
WEIGHT_PASSES = {"sgd": 1, "momentum": 8, "adam": 14}
"""Reads and writes of all weights per update, in addition to those of a GEMM."""
WEIGHT_NORM_PASSES = 3
"""Reads and writes of all weights per step of a norm of weights."""
UNIT_PASSES = 14
"""Reads and writes of the outputs of a layer per step."""
INPUT_PASSES = 4
"""Reads and writes of the inputs per step; their rows are scattered over the data."""


class Work(NamedTuple):
    """The cost of a computation, independent of the machine."""

    calls: float
    """Calls of torch, each of which has a fixed cost."""
    flops: float
    """Floating-point operations of the matrix multiplications."""
    moved_bytes: float
    """Bytes read and written outside the matrix multiplications."""


class Speed(NamedTuple):
    """Seconds per unit of each kind of work on one machine."""

    seconds_per_call: float
    seconds_per_flop: float
    seconds_per_byte: float


def step_work(spec: TrainSpec) -> Work:
    """Estimate the work of one training step."""
    layers = spec.plan()
    passes = sum(
        layer.n_weights * (WEIGHT_PASSES[spec.optimizer] + WEIGHT_NORM_PASSES * NORMS[layer.norm].of_weights)
        for layer in layers
    )
    numbers = INPUT_PASSES * N_IN + UNIT_PASSES * _n_hidden_outputs(layers)
    # Forward, backward to the weights, and backward to the inputs of all layers except the first.
    multiplications = 3 * sum(map(_multiplications, layers)) - _multiplications(layers[0])
    return Work(
        calls=STEP_CALLS + sum(_calls(spec, layer) for layer in layers),
        flops=2 * spec.batch_size * multiplications,
        moved_bytes=4 * (passes + spec.batch_size * numbers),
    )


def evaluation_work(spec: TrainSpec) -> Work:
    """Estimate the work of one evaluation on the validation and test images."""
    layers = spec.plan()
    numbers = 2 * N_IN + UNIT_PASSES / 3 * _n_hidden_outputs(layers)
    return Work(
        calls=N_EVALUATED / EVALUATION_ROWS * sum(map(_forward_calls, layers)),
        flops=2 * N_EVALUATED * sum(map(_multiplications, layers)),
        moved_bytes=4 * N_EVALUATED * numbers,
    )


def evaluations(spec: TrainSpec) -> int:
    """Count the evaluations of a run."""
    every = (spec.eval_every, spec.checkpoint_every)
    due = sum(spec.steps // each for each in every) - spec.steps // math.lcm(*every)
    return due + all(spec.steps % each for each in every)


def run_seconds(spec: TrainSpec, speed: Speed) -> float:
    """Estimate the training time of a run, in seconds, alone on a machine of this speed."""
    step, evaluation = seconds(step_work(spec), speed), seconds(evaluation_work(spec), speed)
    # Telemetry computes the gradients of a batch once more.
    return spec.steps * step + evaluations(spec) * (evaluation + spec.telemetry * step)


def seconds(work: Work, speed: Speed) -> float:
    """Estimate the seconds that work takes on a machine of this speed."""
    return sum(amount * each for amount, each in zip(work, speed, strict=True))


def _calls(spec: TrainSpec, layer: LayerPlan) -> int:
    tensors = 1 + NORMS[layer.norm].parameters_per_unit
    own = (layer.norm != "none") * NORM_CALLS + tensors * UPDATE_CALLS[spec.optimizer]
    return LAYER_CALLS + own + _extra_calls(layer)


def _forward_calls(layer: LayerPlan) -> float:
    return LAYER_CALLS + FORWARD_SHARE * _extra_calls(layer)


def _extra_calls(layer: LayerPlan) -> int:
    """Return the calls of what is no single matrix product; those of cells are in their two products."""
    if layer.kind == "conv":
        return CONVOLUTION_CALLS
    if layer.kind != "lstm" or layer.has_shift:
        return 0
    by_torch = layer.norm in {"none", "weight"}
    # The input and the state have one entry each.
    return layer.steps * (STEP_OF_CELLS_CALLS if by_torch else STEP_OF_NORMED_CELLS_CALLS) // 2


def _multiplications(layer: LayerPlan) -> float:
    return layer.n_multiplications * (KERNEL_FLOPS if layer.kind == "conv" else 1)


def _n_hidden_outputs(layers: Sequence[LayerPlan]) -> int:
    return sum(layer.n_outputs for layer in layers[:-1])
