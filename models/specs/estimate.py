"""Estimates of how long a run takes, from the work of a step and the measured speed of a machine."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from models.specs.facts import NORMS
from models.specs.memory import EVALUATION_ROWS
from models.specs.plan import LayerPlan
from models.specs.spec import TrainSpec

N_EVALUATED = 15_000
"""Validation and test images."""
STEP_CALLS, LAYER_CALLS, NORM_CALLS = 25, 8, 10
"""Calls of torch per step, per layer, and per layer that is normalised."""
UPDATE_CALLS = {"sgd": 1, "momentum": 4, "adam": 9}
"""Calls per trained tensor."""
WEIGHT_PASSES = {"sgd": 1, "momentum": 8, "adam": 14}
"""Passes of an update over the weights, reads and writes, beyond those of a GEMM."""
WEIGHT_NORM_PASSES = 3
UNIT_PASSES = 14
"""Passes of a step over the outputs of a layer, reads and writes."""
INPUT_PASSES = 4
"""Passes of a step over its input, which is gathered from all over the data."""


class Work(NamedTuple):
    """The cost of a computation, independent of the machine."""

    calls: float
    """Calls of torch; each has a price however small its tensors are."""
    flops: float
    """Floating point operations of matrix multiplications."""
    moved_bytes: float
    """Bytes read and written outside the matrix multiplications."""


class Speed(NamedTuple):
    """Seconds per unit of each kind of work on one machine."""

    seconds_per_call: float
    seconds_per_flop: float
    seconds_per_byte: float


def step_work(spec: TrainSpec) -> Work:
    """Count the work of one step."""
    layers = spec.plan()
    passes = sum(
        layer.n_weights * (WEIGHT_PASSES[spec.optimizer] + WEIGHT_NORM_PASSES * NORMS[layer.norm].of_weights)
        for layer in layers
    )
    rows = INPUT_PASSES * _n_in(layers) + UNIT_PASSES * _n_hidden_units(layers)
    # Forward, backward to the weights, and backward to the inputs of all layers except the first.
    products = 3 * sum(map(_products, layers)) - _products(layers[0])
    return Work(
        calls=STEP_CALLS + sum(_calls(spec, layer) for layer in layers),
        flops=2 * spec.batch_size * products,
        moved_bytes=4 * (passes + spec.batch_size * rows),
    )


def evaluation_work(spec: TrainSpec) -> Work:
    """Count the work of one evaluation on the validation and test images."""
    layers = spec.plan()
    rows = 2 * _n_in(layers) + UNIT_PASSES / 3 * _n_hidden_units(layers)
    return Work(
        calls=N_EVALUATED / EVALUATION_ROWS * LAYER_CALLS * len(layers),
        flops=2 * N_EVALUATED * sum(map(_products, layers)),
        moved_bytes=4 * N_EVALUATED * rows,
    )


def evaluations(spec: TrainSpec) -> int:
    """Count the evaluations of a run."""
    every = (spec.eval_every, spec.checkpoint_every)
    due = sum(spec.steps // each for each in every) - spec.steps // math.lcm(*every)
    return due + all(spec.steps % each for each in every)


def run_seconds(spec: TrainSpec, speed: Speed) -> float:
    """Estimate the seconds of a run that is trained alone on a machine of this speed."""
    step, evaluation = seconds(step_work(spec), speed), seconds(evaluation_work(spec), speed)
    return spec.steps * step + evaluations(spec) * evaluation


def seconds(work: Work, speed: Speed) -> float:
    """Estimate the seconds that a machine of this speed needs for the work."""
    return sum(amount * each for amount, each in zip(work, speed, strict=True))


def _calls(spec: TrainSpec, layer: LayerPlan) -> int:
    update = UPDATE_CALLS[spec.optimizer]
    return LAYER_CALLS + 2 * update + (layer.norm != "none") * (NORM_CALLS + update)


def _products(layer: LayerPlan) -> int:
    """Count the multiplications of one example."""
    return layer.n_weights * layer.places


def _n_in(layers: Sequence[LayerPlan]) -> int:
    return layers[0].fan_in * layers[0].places


def _n_hidden_units(layers: Sequence[LayerPlan]) -> int:
    return sum(layer.n_units * layer.places for layer in layers[:-1])
