"""Runs are grouped by arm, and histories are aligned to steps."""

from typing import Any

import numpy as np
import pytest

from service.comparing.runs import align_to_steps, by_arm, has_result
from service.store.results import History, RunRow


def run(**changes: Any) -> RunRow:
    usual = RunRow(1, "none", 0, {"learning_rate": 0.1}, "succeeded", None, None, "job_1")
    return usual._replace(**changes)


def test_a_history_is_aligned_to_ascending_steps() -> None:
    history = History(np.array([30, 10]), np.array([0.3, 0.1]))

    aligned = align_to_steps(history, np.array([10, 20, 30]))

    np.testing.assert_array_equal(aligned, [0.1, np.nan, 0.3])


def test_runs_are_grouped_by_arm_and_sorted_by_seed() -> None:
    first, second = run(key=1, seed=3), run(key=2, seed=1)
    other, left_out = run(key=3, arm="batch"), run(key=4, spec={"learning_rate": 0.5})

    found = by_arm([first, second, other, left_out], ["none", "batch", "layer"], 0.1)

    assert found == {"none": [second, first], "batch": [other], "layer": []}


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
