"""Verdicts and sentences say better or worse only if interval and corrected p both support it."""

import pytest

from analysis.paired import PairedDifference, paired_difference
from analysis.verdicts import Verdict, sentence, verdict

CLEAR = paired_difference([0.95 + 0.0001 * seed for seed in range(10)], [0.93] * 10, higher_is_better=True)
SAME = paired_difference([0.93, 0.94, 0.92, 0.93] * 2, [0.94, 0.93, 0.93, 0.92] * 2, higher_is_better=True)


def say(found: PairedDifference, p_holm: float | None, level: Verdict, tests: int = 1) -> str:
    return sentence("batch", "none", "test accuracy", found, p_holm, tests, level)


@pytest.mark.parametrize(("higher_is_better", "expected"), [(True, "better"), (False, "worse")])
def test_a_clear_difference_is_better_or_worse(higher_is_better: bool, expected: Verdict) -> None:
    assert verdict(CLEAR, CLEAR.p, higher_is_better) == expected
    assert say(CLEAR, CLEAR.p, expected).startswith(
        f"batch was {expected} than none in test accuracy over 10"
    )


def test_a_p_that_is_too_large_gives_no_verdict_whatever_the_interval() -> None:
    assert verdict(CLEAR, 0.06, True) == "not_told_apart"


def test_an_interval_that_contains_zero_gives_no_verdict_whatever_the_p() -> None:
    assert verdict(SAME, 0.01, True) == "not_told_apart"


def test_too_few_seeds_are_reported_with_the_number_needed() -> None:
    found = paired_difference([0.95, 0.951, 0.952, 0.953, 0.954], [0.93] * 5, higher_is_better=True)

    level = verdict(found, 4 * (found.p or 1), True)

    assert level == "not_told_apart"
    assert say(found, 0.25, level, tests=4).endswith("8 seeds are needed to show a difference.")


def test_enough_seeds_without_a_difference_are_not_called_too_few() -> None:
    assert "needed" not in say(SAME, 1.0, "not_told_apart")


def test_one_seed_gives_no_verdict() -> None:
    found = paired_difference([0.95], [0.93], higher_is_better=True)

    assert verdict(found, 1.0, True) == "not_told_apart"
    assert "with 1 seed: it was +0.0200, but one seed cannot rule out chance" in say(
        found, 1.0, "not_told_apart"
    )


def test_arms_without_values_are_not_compared() -> None:
    found = paired_difference([None], [0.9], higher_is_better=False)

    assert verdict(found, None, False) == "not_told_apart"
    assert "cannot be compared" in say(found, None, "not_told_apart")
