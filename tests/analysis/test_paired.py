"""Paired differences: known ones, ties, missing runs, and p values that agree with scipy."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from analysis.paired import holm, paired_difference, sign_flip_p


@pytest.mark.parametrize("n", [2, 5, 10, 12])
def test_the_exact_p_agrees_with_scipy(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.5, 1, n)

    found = stats.permutation_test(
        (differences, np.zeros(n)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )

    assert sign_flip_p(differences) == pytest.approx(found.pvalue, abs=1e-12)


def test_the_smallest_p_is_two_of_all_flips() -> None:
    assert sign_flip_p(np.full(5, 0.01)) == 2 / 2**5
    assert sign_flip_p(np.full(16, 0.01)) == 2 / 2**16


@pytest.mark.parametrize("seed", [0, 1, 83, 129, 192, 227, 247])
def test_sums_that_tie_count_as_extreme_in_spite_of_rounding(seed: int) -> None:
    generator = np.random.default_rng(seed)
    arm, baseline = generator.integers(9_300, 9_330, (2, generator.integers(2, 11)))
    differences = arm - baseline
    flipped = [sum(signs) for signs in product(*((each, -each) for each in differences.tolist()))]
    extreme = sum(abs(total) >= abs(differences.sum()) for total in flipped)

    assert sign_flip_p(arm / 10_000 - baseline / 10_000) == extreme / len(flipped)


@pytest.mark.parametrize("scale", [60_000, 1_000_000, 0.001])
@pytest.mark.parametrize("seed", range(20))
def test_ties_near_zero_are_not_lost_in_the_rounding_of_the_figures(seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    baseline, differences = generator.integers(50_000, 60_000, 8), generator.choice([-1, 0, 1, 2], 8)
    flipped = [sum(signs) for signs in product(*((each, -each) for each in differences.tolist()))]
    extreme = sum(abs(total) >= abs(differences.sum()) for total in flipped)

    found = paired_difference(
        ((baseline + differences) / scale).tolist(), (baseline / scale).tolist(), higher_is_better=True
    )

    assert found.p == extreme / len(flipped)


def test_no_difference_is_no_evidence() -> None:
    assert sign_flip_p(np.zeros(8)) == 1


def test_many_seeds_are_flipped_at_random_and_repeatably() -> None:
    differences = np.random.default_rng(0).normal(0.2, 1, 100)

    p = sign_flip_p(differences)

    assert p == sign_flip_p(differences)
    assert p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)


def test_a_known_difference_is_found() -> None:
    found = paired_difference([3.0, 4.0, 5.0], [2.0, 2.0, 2.0], higher_is_better=True)

    low, high = stats.ttest_rel([3, 4, 5], [2, 2, 2]).confidence_interval()
    assert (found.n, found.mean, found.p, found.probability_of_improvement) == (3, 2.0, 0.25, 1.0)
    assert found.interval == pytest.approx((low, high), rel=1e-12)


@pytest.mark.parametrize(("higher_is_better", "probability"), [(True, 0.5), (False, 0.5)])
def test_ties_count_half(higher_is_better: bool, probability: float) -> None:
    found = paired_difference([1.0, 2.0, 3.0], [1.0, 1.0, 4.0], higher_is_better)

    assert found.probability_of_improvement == probability


def test_lower_can_be_better() -> None:
    assert paired_difference([1.0, 2.0], [2.0, 3.0], higher_is_better=False).probability_of_improvement == 1
    assert paired_difference([1.0, 2.0], [2.0, 3.0], higher_is_better=True).probability_of_improvement == 0


def test_only_seeds_with_both_values_count() -> None:
    found = paired_difference([1.0, None, 3.0], [0.0, 0.0, None], higher_is_better=True)

    assert (found.n, found.mean, found.interval, found.p) == (1, 1.0, None, 1.0)


def test_arms_without_a_common_seed_have_no_difference() -> None:
    found = paired_difference([None, None], [1.0, 2.0], higher_is_better=True)

    assert (found.n, found.mean, found.p, found.probability_of_improvement) == (0, None, None, None)


def test_holm_agrees_with_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, None, 0.9]) == [1.0, None, 1.0]
