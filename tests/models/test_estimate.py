"""Estimates of the work of a run, and of its seconds on a machine."""

from typing import Any

import pytest

from models.data.digits import Digits
from models.specs.estimate import Speed, evaluation_work, evaluations, run_seconds, seconds, step_work
from models.specs.facts import NORMS
from models.specs.spec import TrainSpec
from models.training.speed import measure_speed
from models.training.start import build


@pytest.mark.parametrize(
    ("steps", "eval_every", "checkpoint_every"),
    [(1000, 100, 500), (1000, 30, 40), (1001, 100, 500), (7, 100, 500), (60, 1, 1), (12, 4, 6), (10, 3, 9)],
)
def test_evaluations_are_counted_as_they_are_due(steps: int, eval_every: int, checkpoint_every: int) -> None:
    spec = TrainSpec(steps=steps, eval_every=eval_every, checkpoint_every=checkpoint_every)

    assert evaluations(spec) == sum(spec.evaluates(step) for step in range(1, steps + 1))


def test_the_flops_of_the_articles_step_are_its_five_products() -> None:
    hidden, output = 128 * 784 * 128, 128 * 128 * 10

    assert step_work(TrainSpec()).flops == 2 * (2 * hidden + 3 * output)
    assert evaluation_work(TrainSpec()).flops == 2 * 15_000 * (784 * 128 + 128 * 10)


@pytest.mark.parametrize(
    "more",
    [
        {"steps": 2000},
        {"n_units": 256},
        {"n_hidden": 2},
        {"batch_size": 256},
        {"norm": "weight"},
        {"optimizer": "adam"},
        {"eval_every": 10},
        {"telemetry": True},
    ],
    ids=str,
)
def test_more_work_takes_longer(more: dict[str, Any]) -> None:
    speed = Speed(1e-6, 1e-11, 1e-10)

    assert run_seconds(TrainSpec(**more), speed) > run_seconds(TrainSpec(), speed)


def test_a_run_costs_its_steps_and_its_evaluations() -> None:
    spec, speed = TrainSpec(steps=300), Speed(1e-6, 1e-11, 1e-10)

    parts = 300 * seconds(step_work(spec), speed) + 3 * seconds(evaluation_work(spec), speed)

    assert run_seconds(spec, speed) == pytest.approx(parts)


def test_the_speed_of_a_machine_is_finite_and_not_negative(digits: Digits) -> None:
    speed = measure_speed(digits)

    assert all(0 <= price < 1 for price in speed)
    assert run_seconds(TrainSpec(), speed) > 0


@pytest.mark.parametrize("norm", NORMS)
def test_the_bytes_of_a_checkpoint_are_the_bytes_of_its_tensors(norm: Any) -> None:
    spec = TrainSpec(norm=norm, n_units=16, n_hidden=2)

    net, _ = build(spec)

    assert spec.checkpoint_bytes() == sum(tensor.nbytes for tensor in net.tensors().values())
