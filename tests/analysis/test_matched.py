"""McNemar's test is exact, the interval covers, and a sentence claims no more than both support."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from scipy import stats

from analysis.matched import (
    Agreement,
    accuracy_interval,
    count_agreement,
    describe_difference,
    matched_difference,
    mcnemar_p,
)


@pytest.mark.parametrize(
    ("only_first", "only_second"), [(0, 0), (0, 1), (0, 6), (3, 3), (9, 2), (2, 9), (40, 21)]
)
def test_p_is_that_of_all_coin_flips(only_first: int, only_second: int) -> None:
    n, least = only_first + only_second, min(only_first, only_second)
    tail = sum(Fraction(comb(n, k), 2**n) for k in range(least + 1))

    assert mcnemar_p(only_first, only_second) == pytest.approx(float(min(1, 2 * tail)), rel=1e-12)


def test_the_interval_is_that_of_bonett_and_price() -> None:
    """The figures are those in the manual of the R package statpsych, for ci.prop.ps(.05, 12, 4, 26, 6)."""
    assert accuracy_interval(26, 4, 48) == pytest.approx((0.2548067, 0.6251933), abs=1e-7)


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.0), (0.05, 0.01), (0.2, 0.1)])
def test_the_interval_covers_the_difference_in_nearly_95_of_100_samples(first: float, second: float) -> None:
    n = 40
    shares = stats.multinomial(n, [first, second, 1 - first - second])
    pairs = [(a, b) for a in range(n + 1) for b in range(n + 1 - a)]
    covering = [(a, b, n - a - b) for a, b in pairs if _contains(accuracy_interval(a, b, n), first - second)]

    assert shares.pmf(covering).sum() > 0.94


def _contains(interval: tuple[float, float], value: float) -> bool:
    return interval[0] <= value <= interval[1]


def test_examples_are_counted_by_who_is_right() -> None:
    first = np.array([True, True, True, False, False, False, False])
    second = np.array([True, False, False, True, False, False, False])

    found = count_agreement(first, second)

    assert found == Agreement(both_right=1, only_first_right=2, only_second_right=1, both_wrong=3)
    assert (found.n, found.first_right, found.second_right) == (7, 3, 2)


@pytest.mark.parametrize(
    ("found", "verdict", "sentence"),
    [
        (
            Agreement(9400, 120, 60, 420),
            "better",
            "A was better than B: 9,520 and 9,460 right of 10,000 images",
        ),
        (
            Agreement(9400, 60, 120, 420),
            "worse",
            "A was worse than B: 9,460 and 9,520 right of 10,000 images",
        ),
        (
            Agreement(9400, 70, 60, 470),
            "not_told_apart",
            "A and B show no clear difference: 9,470 and 9,460 right",
        ),
        (
            Agreement(9400, 0, 0, 600),
            "not_told_apart",
            "A and B show no clear difference: 9,400 and 9,400 right",
        ),
        (
            Agreement(3, 5, 0, 2),
            "not_told_apart",
            "A and B show no clear difference: 8 and 3 right of 10 images",
        ),
    ],
    ids=["better", "worse", "a few", "none", "p above 0.05"],
)
def test_a_verdict_needs_interval_and_p(found: Agreement, verdict: str, sentence: str) -> None:
    result = matched_difference(found)

    assert result.verdict == verdict
    assert describe_difference("A", "B", "images", found, result).startswith(sentence)
    assert result.difference == (found.only_first_right - found.only_second_right) / found.n
