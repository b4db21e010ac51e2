"""How many seeds can show a difference."""

import pytest

from analysis.seeds import seeds_for, seeds_needed


@pytest.mark.parametrize(("tests", "seeds"), [(1, 6), (4, 8), (13, 10), (14, 10)])
def test_the_seeds_needed_are_the_fewest_that_can_reach_significance(tests: int, seeds: int) -> None:
    assert seeds_needed(tests) == seeds
    assert tests * 2 / 2**seeds <= 0.05 < tests * 2 / 2 ** (seeds - 1)


@pytest.mark.parametrize(("n_arms", "seeds"), [(1, 5), (2, 6), (3, 7), (5, 8), (6, 8), (14, 10), (200, 13)])
def test_every_arm_but_the_baseline_is_a_test(n_arms: int, seeds: int) -> None:
    assert seeds_for(n_arms) == seeds
