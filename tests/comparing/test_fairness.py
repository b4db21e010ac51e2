"""Runs of one seed that should have equal digests are compared, and no others."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from models.specs.spec import TrainSpec
from service.comparing.fairness import Fairness, SeedDigests, in_words, judge
from service.comparing.settings import differences_in_words, own_in_words, shared_in_words
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


def test_settings_that_arms_do_not_share_are_named() -> None:
    specs = {"none": TrainSpec(), "weight": TrainSpec(norm="weight", learning_rate=8), "batch": TrainSpec()}
    dumped = {arm: spec.model_dump() for arm, spec in specs.items()}
    differing = differences_in_words(dumped, ["learning_rate"])

    words = [in_words(Fairness(begun, True, []), differing) for begun in (True, False)]

    assert differing == "the learning rate: weight 8, the others 0.1"
    assert words[0].startswith(f"Yes, except for {differing}. With each seed, arms of equal shape")
    assert words[1].endswith(f". They differ in {differing}.")
    assert own_in_words(dumped["weight"], ["learning_rate", "init"]) == "learning rate 8, init no"
    assert differences_in_words({"a": {"steps": 5}, "b": {"steps": 9}}, ["steps"]) == "the steps: a 5, b 9"
    assert shared_in_words(dumped["none"]) == (
        "dense net, 1 hidden layer of 128 units, data set mnist, optimizer sgd, learning rate 0.1, "
        "batch size 128, 1,000 steps"
    )
