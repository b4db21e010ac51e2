"""Runs are grouped by arm, and histories are aligned to steps."""

from typing import Any

import numpy as np
import pytest

from service.comparing.runs import align_to_steps, by_arm, ended_at_chance, has_result, rates_of_arms
from service.store.results import RunHistory, RunRow


def run(**changes: Any) -> RunRow:
    usual = RunRow(1, "none", 0, {"learning_rate": 0.1}, "succeeded", None, None, "job_1")
    return usual._replace(**changes)


def test_a_history_is_aligned_to_ascending_steps() -> None:
    history = RunHistory(np.array([30, 10]), np.array([0.3, 0.1]))

    aligned = align_to_steps(history, np.array([10, 20, 30]))

    np.testing.assert_array_equal(aligned, [0.1, np.nan, 0.3])


def test_runs_are_grouped_by_arm_and_sorted_by_seed() -> None:
    first, second = run(key=1, seed=3), run(key=2, seed=1)
    other, left_out = run(key=3, arm="batch"), run(key=4, spec={"learning_rate": 0.5})

    found = by_arm([first, second, other, left_out], ["none", "batch", "layer"], 0.1)

    assert found == {"none": [second, first], "batch": [other], "layer": []}


def ended(rate: float, validation: float | None, test: float = 0.5, **changes: Any) -> RunRow:
    latest = {"validation_accuracy": validation, "test_accuracy": test}
    return run(spec={"learning_rate": rate}, latest=latest, **changes)


DIVERGED: dict[str, Any] = {"status": "failed", "failure": {"code": "diverged"}}


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([ended(0.1, 0.8, test=0.7), ended(1.0, 0.7, test=0.9)], 0.1),
        ([ended(0.1, 0.8), ended(1.0, 0.95), ended(1.0, None, **DIVERGED)], 0.1),
        ([ended(0.1, 0.8), ended(1.0, 0.9, status="running")], 0.1),
        ([ended(0.1, 0.8), ended(1.0, 0.9, status="cancelled")], 0.1),
        ([ended(0.1, 0.05), ended(1.0, None, **DIVERGED)], 1.0),
        ([ended(0.1, None, status="queued"), ended(1.0, None, status="running")], None),
        ([ended(0.1, None), ended(1.0, None)], None),
        ([ended(0.1, None, status="queued")], 0.1),
    ],
    ids=[
        "best on test only",
        "diverged counts as chance",
        "running has no result",
        "cancelled has no result",
        "worse than chance",
        "no result yet",
        "never evaluated",
        "only one rate",
    ],
)
def test_an_arm_is_at_the_rate_of_the_best_mean_validation_accuracy(
    runs: list[RunRow], expected: float | None
) -> None:
    found = by_arm(runs, ["none"], None)

    assert rates_of_arms(found) == {"none": expected}
    assert found["none"] == [each for each in runs if each.spec["learning_rate"] == expected]


def test_each_arm_is_at_its_own_best_rate() -> None:
    runs = [
        ended(rate, accuracy, arm=arm)
        for arm, best in (("none", 0.1), ("batch", 1.0))
        for rate, accuracy in ((0.1, 0.8 + 0.1 * (best == 0.1)), (1.0, 0.85))
    ]

    assert rates_of_arms(by_arm(runs, ["none", "batch"], None)) == {"none": 0.1, "batch": 1.0}


@pytest.mark.parametrize(
    ("status", "failure", "expected"),
    [
        ("succeeded", None, True),
        ("failed", {"code": "diverged"}, True),
        ("failed", {"code": "time_limit"}, False),
        ("cancelled", None, False),
        ("running", None, False),
    ],
)
def test_a_run_that_succeeded_or_diverged_has_a_result(
    status: str, failure: dict[str, str] | None, expected: bool
) -> None:
    assert has_result(run(status=status, failure=failure)) is expected


@pytest.mark.parametrize(
    ("spec", "accuracy", "changes", "expected"),
    [
        ({"dataset": "mnist"}, 0.1135, {}, True),
        ({}, 0.1135, {}, True),
        ({"dataset": "kmnist"}, 0.1135, {}, False),
        ({"dataset": "kmnist"}, 0.1, {}, True),
        ({"dataset": "mnist"}, 0.2, {}, False),
        ({"dataset": "cifar"}, 0.1, {}, False),
        ({"dataset": "mnist"}, 0.1, DIVERGED, False),
        ({"dataset": "mnist"}, 0.1, {"status": "cancelled"}, False),
        ({"dataset": "mnist"}, None, {}, False),
    ],
    ids=str,
)
def test_a_run_is_at_chance_if_it_succeeded_and_learned_nothing(
    spec: dict[str, Any], accuracy: float | None, changes: dict[str, Any], expected: bool
) -> None:
    latest = {"test_accuracy": accuracy}

    assert ended_at_chance(run(spec=spec, latest=latest, **changes)) is expected
