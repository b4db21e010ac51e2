"""The widest range of learning rates that reach a level."""

from analysis.robustness import RateRange, widest_range


def test_the_widest_range_of_neighbours_is_found() -> None:
    accuracies = {0.01: 0.91, 0.1: 0.5, 0.3: 0.93, 1.0: 0.95, 3.0: 0.92, 10.0: None}

    assert widest_range(accuracies, 0.9) == RateRange(0.3, 3.0, 10.0)


def test_the_order_of_the_rates_does_not_matter() -> None:
    assert widest_range({1.0: 0.9, 0.1: 0.9}, 0.9) == RateRange(0.1, 1.0, 10.0)


def test_one_rate_is_a_range_of_its_own() -> None:
    assert widest_range({0.1: 0.95, 1.0: 0.2}, 0.9) == RateRange(0.1, 0.1, 1.0)


def test_an_arm_that_never_reaches_the_level_has_none() -> None:
    assert widest_range({0.1: 0.5, 1.0: None}, 0.9) is None
    assert widest_range({}, 0.9) is None
