"""Runs of one seed that should have equal digests are compared, and no others."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from models.specs.spec import TrainSpec
from service.comparing.fairness import Fairness, SeedDigests, judge
from service.store.tables import Job


def run(key: int, start: str | None, order: str | None, seed: int = 0, **changes: Any) -> Job:
    spec = TrainSpec().model_dump() | changes
    return cast(Job, SimpleNamespace(key=key, seed=seed, spec=spec, init_digest=start, data_digest=order))


def test_runs_that_agree_are_fair_seed_by_seed() -> None:
    runs = [run(1, "a", "x"), run(2, "a", "x", norm="batch"), run(3, "b", "y", seed=1)]

    assert judge(runs) == Fairness(
        complete=True, fair=True, seeds=[SeedDigests(0, ["a"], ["x"]), SeedDigests(1, ["b"], ["y"])]
    )


@pytest.mark.parametrize(
    ("changes", "start", "order", "fair"),
    [
        ({"norm": "batch"}, "b", "x", False),
        ({"n_units": 64}, "b", "x", True),
        ({"n_hidden": 2}, "b", "x", True),
        ({"net": "conv", "n_hidden": 1, "n_units": 16}, "b", "x", True),
        ({"net": "rnn"}, "b", "x", True),
        ({"norm": "batch"}, "a", "y", False),
        ({"batch_size": 64}, "a", "y", True),
        ({"sampling": "epoch"}, "a", "y", True),
        ({"dataset": "kmnist"}, "a", "y", True),
        ({"color": "red"}, "b", "x", True),
        ({"norm": "instance"}, "b", "x", True),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_only_equal_shapes_and_equal_batches_must_agree(
    changes: dict[str, Any], start: str, order: str, fair: bool
) -> None:
    assert judge([run(1, "a", "x"), run(2, start, order, **changes)]).fair is fair


def test_a_run_that_has_not_begun_is_missing() -> None:
    assert judge([run(1, "a", "x"), run(2, None, None)]) == Fairness(
        complete=False, fair=True, seeds=[SeedDigests(0, ["a"], ["x"])]
    )
