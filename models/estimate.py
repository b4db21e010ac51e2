"""How long a run will take, from what a step has to do and what a machine has been measured to do."""

import math
from typing import NamedTuple

from models.facts import WEIGHT_NORMS, Norm
from models.spec import N_IN, TrainSpec

N_EVALUATED = 15_000
"""Validation and test images."""
STEP_CALLS, LAYER_CALLS, NORM_CALLS = 25, 8, 10
"""Calls of torch: of a step, of each layer, and of a layer that is normalised."""
UPDATE_CALLS = {"sgd": 1, "momentum": 4, "adam": 9}
"""Calls for each tensor that is trained."""
WEIGHT_PASSES = {"sgd": 1, "momentum": 8, "adam": 14}
"""How often an update reads or writes as many numbers as there are weights, over that of a GEMM."""
WEIGHT_NORM_PASSES = 3
UNIT_PASSES = 14
"""How often a step reads or writes as many numbers as a layer answers."""
INPUT_PASSES = 4
"""The same of its input, gathered from all over the data."""


class Work(NamedTuple):
    """What something costs, machine apart."""

    calls: float
    """Calls of torch, each with a price however small its tensors are."""
    flops: float
    """Floating point operations of matrix multiplications."""
    moved_bytes: float
    """Bytes read and written beside them."""


class Speed(NamedTuple):
    """Seconds that a machine takes for a unit of each kind of work."""

    seconds_per_call: float
    seconds_per_flop: float
    seconds_per_byte: float


def step_work(spec: TrainSpec) -> Work:
    """Count the work of one step."""
    sizes = [n_in * n_units for n_in, n_units in spec.layer_shapes()]
    passes = sum(
        size * (WEIGHT_PASSES[spec.optimizer] + WEIGHT_NORM_PASSES * (norm in WEIGHT_NORMS))
        for size, norm in zip(sizes, spec.norms(), strict=True)
    )
    rows = INPUT_PASSES * N_IN + UNIT_PASSES * spec.n_units * spec.n_hidden
    return Work(
        calls=STEP_CALLS + sum(_calls(spec, norm) for norm in spec.norms()),
        # Forward, and backward to the weights and, but for the first layer, to the inputs.
        flops=2 * spec.batch_size * (3 * sum(sizes) - sizes[0]),
        moved_bytes=4 * (passes + spec.batch_size * rows),
    )


def evaluation_work(spec: TrainSpec) -> Work:
    """Count the work of one evaluation, on the validation and the test images."""
    sizes = [n_in * n_units for n_in, n_units in spec.layer_shapes()]
    return Work(
        calls=N_EVALUATED / 500 * LAYER_CALLS * len(sizes),
        flops=2 * N_EVALUATED * sum(sizes),
        moved_bytes=4 * N_EVALUATED * (2 * N_IN + UNIT_PASSES / 3 * spec.n_units * spec.n_hidden),
    )


def evaluations(spec: TrainSpec) -> int:
    """Count the steps that are evaluated."""
    every = (spec.eval_every, spec.checkpoint_every)
    due = sum(spec.steps // each for each in every) - spec.steps // math.lcm(*every)
    return due + all(spec.steps % each for each in every)


def run_seconds(spec: TrainSpec, speed: Speed) -> float:
    """Tell how long a machine of this speed takes for a run that it trains alone."""
    step, evaluation = seconds(step_work(spec), speed), seconds(evaluation_work(spec), speed)
    return spec.steps * step + evaluations(spec) * evaluation


def _calls(spec: TrainSpec, norm: Norm) -> int:
    update = UPDATE_CALLS[spec.optimizer]
    return LAYER_CALLS + 2 * update + (norm != "none") * (NORM_CALLS + update)


def seconds(work: Work, speed: Speed) -> float:
    """Tell how long a machine of this speed takes for the work."""
    return sum(amount * each for amount, each in zip(work, speed, strict=True))
