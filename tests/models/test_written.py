"""The bytes that runs write, by their specs."""

from typing import Any

import pytest

from models.specs.comparison import ComparisonSpec
from models.specs.spec import TrainSpec
from models.specs.written import comparison_bytes, written_bytes
from service.settings import Settings

EVERYTHING: dict[str, Any] = {"steps": 1_000_000, "eval_every": 1, "checkpoint_every": 1, "telemetry": True}


def comparing(**body: Any) -> ComparisonSpec:
    return ComparisonSpec.model_validate(body)


@pytest.mark.parametrize(
    "more",
    [
        {"steps": 2000},
        {"n_units": 256},
        {"n_hidden": 2},
        {"eval_every": 10},
        {"checkpoint_every": 100},
        {"telemetry": True},
        {"optimizer": "adam"},
    ],
    ids=str,
)
def test_more_to_store_is_more_to_write(more: dict[str, Any]) -> None:
    assert written_bytes(TrainSpec(**more)) > written_bytes(TrainSpec())


def test_checkpoints_that_a_later_span_drops_are_written_too() -> None:
    ten, one = (
        TrainSpec(steps=100_000, checkpoint_every=every, keep_checkpoints=0) for every in (10_000, 100_000)
    )

    assert written_bytes(ten) > written_bytes(one) + 9 * one.checkpoint_bytes()


@pytest.mark.parametrize(("fewer", "more"), [(0, 1), (1, 2)])
def test_fewer_kept_checkpoints_of_many_are_less_to_write(fewer: int, more: int) -> None:
    specs = [TrainSpec(checkpoint_every=1, keep_checkpoints=keep) for keep in (fewer, more)]

    assert written_bytes(specs[0]) < written_bytes(specs[1])


def test_a_run_of_one_step_has_a_row_and_a_checkpoint() -> None:
    spec = TrainSpec(steps=1)

    assert spec.checkpoint_bytes() < written_bytes(spec) < spec.checkpoint_bytes() + 10_000


def test_a_comparison_writes_what_its_runs_write() -> None:
    comparison = comparing(
        preset="all_norms",
        arms=[{"name": "short", "steps": 10}],
        base={"steps": 200},
        seeds=3,
        learning_rates=[0.1, 0.01],
    )

    assert comparison_bytes(comparison) == sum(written_bytes(run.spec) for run in comparison.runs())


def test_the_default_limit_is_far_above_the_article_and_below_a_spec_that_fills_a_disk() -> None:
    limit = Settings().max_written_bytes

    assert 100 * comparison_bytes(comparing(preset="article", seeds=200)) < limit
    assert 10 * comparison_bytes(comparing(preset="article", seeds=200, base={"steps": 10_000})) < limit
    assert written_bytes(TrainSpec(n_units=1024, **EVERYTHING)) > limit
