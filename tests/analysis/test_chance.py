"""An accuracy is above chance only if an exact binomial test says so."""

from fractions import Fraction
from math import comb

import pytest

from analysis.chance import fewest_above_chance, is_at_chance


def tail(right: int, n: int, share: Fraction) -> Fraction:
    """P(X >= right), from whole numbers."""
    terms = (comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(right, n + 1))
    return sum(terms, Fraction(0))


@pytest.mark.parametrize(("n_images", "n_most_frequent"), [(10, 1), (40, 7), (100, 12), (200, 20)])
def test_the_fewest_above_chance_are_those_of_the_exact_tail(n_images: int, n_most_frequent: int) -> None:
    share, level = Fraction(n_most_frequent, n_images), Fraction(1, 1000)

    fewest = fewest_above_chance(n_images, n_most_frequent)

    assert tail(fewest, n_images, share) <= level < tail(fewest - 1, n_images, share)


@pytest.mark.parametrize(
    ("accuracy", "n_most_frequent", "expected"),
    [
        (0.1135, 1135, True),
        (0.0980, 1135, True),
        (0.0, 1135, True),
        (0.1234, 1135, True),
        (0.1235, 1135, False),
        (0.1094, 1000, True),
        (0.1095, 1000, False),
        (0.9, 1135, False),
    ],
)
def test_an_accuracy_is_judged_by_the_size_of_the_split_and_its_most_frequent_class(
    accuracy: float, n_most_frequent: int, expected: bool
) -> None:
    assert is_at_chance(accuracy, 10_000, n_most_frequent) is expected
