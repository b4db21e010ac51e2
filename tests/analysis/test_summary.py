"""Summaries of planted results: known differences, ties, diverged arms, one seed, a hundred seeds."""

import numpy as np
import pytest

from analysis.arrivals import Arrival
from analysis.summary import CHANCE, Result, Summary, summarise


def runs(accuracies: list[float], losses: list[float] | None = None) -> list[Result]:
    losses = losses or [1 - accuracy for accuracy in accuracies]
    return [
        Result(seed, False, accuracy, loss, 1.0 + seed)
        for seed, (accuracy, loss) in enumerate(zip(accuracies, losses, strict=True))
    ]


def verdicts(summary: Summary) -> dict[tuple[str, str], str]:
    return {(each.arm, each.metric): each.verdict for each in summary.differences}


def test_a_planted_difference_is_found_and_a_tie_is_not() -> None:
    generator = np.random.default_rng(0)
    plain = list(generator.normal(0.93, 0.002, 10))
    better = [
        accuracy + 0.01 + noise for accuracy, noise in zip(plain, generator.normal(0, 0.001, 10), strict=True)
    ]

    found = summarise({"none": runs(plain), "batch": runs(better), "twin": runs(plain)}, "none")

    assert verdicts(found) == {
        ("batch", "test_accuracy"): "better",
        ("batch", "test_loss"): "better",
        ("twin", "test_accuracy"): "not_told_apart",
        ("twin", "test_loss"): "not_told_apart",
    }
    assert found.differences[0].difference.mean == pytest.approx(np.mean(better) - np.mean(plain))
    assert found.differences[1].difference.p == 1
    assert found.seeds_needed is None


def test_five_seeds_are_too_few_and_the_summary_says_how_many_are_needed() -> None:
    arms = {f"arm {place}": runs([0.9 + 0.01 * place] * 5) for place in range(5)}

    found = summarise(arms, "arm 0")

    assert set(verdicts(found).values()) == {"not_told_apart"}
    assert found.seeds_needed == 8


def test_a_run_that_diverged_counts_as_chance_and_has_no_loss() -> None:
    lost = [Result(seed, True, None, None, 3.0) for seed in range(2)]

    found = summarise({"none": runs([0.93, 0.94, 0.95]), "weight": [*lost, *runs([0.9] * 3)[2:]]}, "none")

    arm = found.arms[1]
    assert (arm.n, arm.n_diverged, arm.test_accuracy.min, arm.test_loss.n_finite) == (3, 2, CHANCE, 1)
    assert (
        arm.train_seconds.n_finite,
        found.differences[0].difference.n,
        found.differences[1].difference.n,
    ) == (
        1,
        3,
        1,
    )


def test_an_arm_that_always_diverged_is_worse_in_accuracy_and_has_no_difference_in_loss() -> None:
    lost = [Result(seed, True, None, None, None) for seed in range(8)]

    found = summarise({"none": runs([0.93 + 0.001 * seed for seed in range(8)]), "weight": lost}, "none")

    accuracy, loss = found.differences
    assert (accuracy.verdict, loss.verdict) == ("worse", "not_told_apart")
    assert loss.difference.mean is None
    assert "cannot be compared" in loss.sentence


def test_one_seed_has_statistics_and_no_verdict() -> None:
    found = summarise({"none": runs([0.93]), "batch": runs([0.95])}, "none")

    assert found.arms[0].test_accuracy.interval is None
    assert found.differences[0].difference.interval is None
    assert set(verdicts(found).values()) == {"not_told_apart"}


def test_a_hundred_seeds_find_a_small_difference() -> None:
    generator = np.random.default_rng(1)
    plain = list(generator.normal(0.93, 0.002, 100))
    better = [
        accuracy + noise for accuracy, noise in zip(plain, generator.normal(0.0008, 0.002, 100), strict=True)
    ]

    assert verdicts(summarise({"none": runs(plain), "batch": runs(better)}, "none")) == {
        ("batch", "test_accuracy"): "better",
        ("batch", "test_loss"): "better",
    }


def test_arms_are_paired_by_seed_whatever_their_order() -> None:
    plain, better = runs([0.90, 0.92, 0.94]), runs([0.91, 0.93, 0.95])

    found = summarise({"none": plain, "batch": better[::-1]}, "none")

    assert found.differences[0].difference.interval == pytest.approx((0.01, 0.01))


def test_times_to_an_accuracy_are_summarised_by_level() -> None:
    arrived = Result(0, False, 0.95, 0.2, 1.0, {"0.95": (Arrival(300, 1000), Arrival(None, 1000))})

    [arm] = summarise({"none": [arrived]}, "none").arms

    in_training, on_test = arm.time_to["0.95"]
    assert (in_training.mean, on_test.mean, on_test.n_censored) == (300, None, 1)


def test_an_unknown_baseline_is_an_error() -> None:
    with pytest.raises(KeyError):
        summarise({"none": runs([0.9]), "batch": runs([0.9])}, "layer")


def test_losses_of_the_remaining_runs_give_no_verdict() -> None:
    plain = runs([0.93 + 0.001 * seed for seed in range(16)])
    fragile = [
        Result(seed, True, None, None, None) if seed % 2 else Result(seed, False, 0.99, 0.001, 1.0)
        for seed in range(16)
    ]

    _, loss = summarise({"none": plain, "weight": fragile}, "none").differences

    assert (loss.difference.n, loss.verdict, loss.p_holm) == (8, "not_told_apart", 2 / 2**8)
    assert "in 8 more seeds a run diverged and has no test loss, so neither is called better" in loss.sentence


def test_an_arm_that_cannot_be_tested_does_not_affect_the_others() -> None:
    lost = [Result(seed, True, None, None, None) for seed in range(6)]
    arms = {"none": runs([0.93] * 6), "batch": runs([0.95] * 6), "weight": lost}

    found = summarise(arms, "none").differences

    assert [(each.arm, each.verdict) for each in found if each.metric == "test_loss"] == [
        ("batch", "better"),
        ("weight", "not_told_apart"),
    ]


def test_seeds_are_too_few_where_few_are_paired() -> None:
    found = summarise({"none": runs([0.93] * 2), "batch": runs([0.95] * 10)}, "none")

    assert found.seeds_needed == 6
