"""The rate of an arm is the one with the best mean validation accuracy."""

import pytest

from analysis.rates import best_rate


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ({0.1: [0.90, 0.92], 1.0: [0.95, 0.80]}, 0.1),
        ({0.1: [0.90], 1.0: [0.90], 0.01: [0.89]}, 0.1),
        ({1.0: [0.9, 0.1, 0.9], 0.1: [0.9, 0.9, 0.1]}, 0.1),
        ({0.1: [0.5], 1.0: []}, 0.1),
        ({0.1: [], 1.0: [0.1]}, 1.0),
        ({0.1: [], 1.0: []}, None),
        ({}, None),
    ],
    ids=["mean", "tie", "tie in another order", "rate without a value", "chance", "no value", "no rate"],
)
def test_the_best_rate_has_the_highest_mean_and_is_the_smallest_of_equals(
    accuracies: dict[float, list[float]], expected: float | None
) -> None:
    assert best_rate(accuracies) == expected
