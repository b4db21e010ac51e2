"""What is concluded from a summary: never more than its verdicts support."""

from collections.abc import Mapping
from typing import Any

import pytest

from analysis.summary import Result, summarise
from service.comparing.conclusions import MAY_CHANGE, conclude

SEEDS = range(8)
RUNS = {"n": 8, "n_diverged": 0, "n_at_chance": 0}


def summary(means: Mapping[str, float], complete: bool = True, spread: float = 0.001) -> dict[str, Any]:
    """The summary of arms whose accuracies differ by as much with every seed; the first is the baseline."""
    arms = {
        name: [Result(seed, False, mean + spread * seed, 1 - mean + spread * seed, 1.0) for seed in SEEDS]
        for name, mean in means.items()
    }
    found = summarise(arms, next(iter(arms)))
    return {
        "baseline": found.baseline,
        "complete": complete,
        "arms": [{"arm": arm.name, "test_accuracy": vars(arm.test_accuracy), **RUNS} for arm in found.arms],
        "differences": [{**vars(each), "mean": each.difference.mean} for each in found.differences],
        "warnings": [],
    }


@pytest.mark.parametrize(
    ("means", "complete", "headline"),
    [
        (
            {"none": 0.9, "batch": 0.95, "layer": 0.94},
            True,
            "Highest mean test accuracy: batch, 0.9535. "
            "Its difference to none, +0.0500 on average, is distinguishable from chance.",
        ),
        (
            {"none": 0.9, "batch": 0.95},
            False,
            "Highest mean test accuracy so far: batch, 0.9535. "
            "Its difference to none, +0.0500 on average, is distinguishable from chance.",
        ),
        ({"none": 0.95, "batch": 0.9}, True, "Highest mean test accuracy: none, 0.9535."),
        (
            {"none": 0.9, "batch": 0.9},
            True,
            "No arm was shown to be better than another: no difference is distinguishable from chance.",
        ),
        ({"none": 0.9}, True, "Highest mean test accuracy: none, 0.9035."),
        (
            {"none": 0.8, "batch": 0.9, "b": 0.9},
            True,
            "Highest mean test accuracy: batch and b, 0.9035. "
            "batch's difference to none, +0.100 on average, is distinguishable from chance. "
            "b's difference to none, +0.100 on average, is distinguishable from chance.",
        ),
    ],
    ids=["best", "so far", "the baseline", "nothing", "one arm", "two equal arms"],
)
def test_the_headline_names_the_best_arm_and_whether_that_may_be_chance(
    means: dict[str, float], complete: bool, headline: str
) -> None:
    found = conclude(summary(means, complete))

    assert found.headline == headline
    assert found.may_change == (None if complete else MAY_CHANGE)


def test_a_headline_calls_no_difference_certain_that_the_summary_does_not() -> None:
    found = summary({"none": 0.9, "batch": 0.95, "layer": 0.94})
    found["differences"][0] = {**found["differences"][0], "verdict": "not_told_apart"}

    concluded = conclude(found)

    assert concluded.headline.endswith("+0.0500 on average, is not distinguishable from chance.")
    assert found["differences"][0]["sentence"] in concluded.not_shown
    assert concluded.shown == [each["sentence"] for each in found["differences"][1:]]


def test_failed_runs_and_too_few_seeds_come_first_in_the_headline() -> None:
    found = summary({"none": 0.9, "batch": 0.9, "layer": 0.9})
    found["arms"][1] |= {"n": 6, "n_diverged": 5, "n_at_chance": 1}
    found["warnings"] = [{"code": "too_few_seeds", "message": "so few seeds", "seeds_needed": 7}]

    few = conclude(found).headline
    found["arms"][2] |= {"n_at_chance": 1}
    found["warnings"] = []
    enough = conclude(found).headline

    assert few == (
        "batch failed in 6 of 6 runs. Too few seeds to show any difference between 3 arms: 7 are needed."
    )
    assert enough == (
        "batch failed in 6 of 6 runs and layer failed in 1 of 8 runs. No arm was shown to be better than "
        "another: no difference is distinguishable from chance."
    )


def test_the_largest_differences_in_accuracy_come_first_and_a_page_folds_the_rest() -> None:
    found = summary({"none": 0.9, "layer": 0.92, "batch": 0.95})
    found["warnings"] = [{"message": message, "seeds_needed": None} for message in ("first", "second")]

    concluded = conclude(found)

    accuracy = "was better than none in test accuracy"
    assert [sentence.partition(" over")[0] for sentence in concluded.shown_at_first] == [
        f"batch {accuracy}",
        f"layer {accuracy}",
    ]
    assert concluded.beware_at_first == ["Beware: first."]
    assert concluded.folded == [*concluded.shown[2:], "Beware: second."]


def test_without_a_result_there_is_no_best_arm() -> None:
    nothing = {"arm": "none", "test_accuracy": {"mean": None}, **RUNS}
    empty = {"baseline": "none", "complete": False, "arms": [nothing], "differences": [], "warnings": []}

    assert conclude(empty).headline == "No run has a result so far."


def test_that_arms_other_than_the_baseline_were_not_compared_is_said_where_there_are_two() -> None:
    two, three = ({"none": 0.9, "batch": 0.95}, {"none": 0.9, "batch": 0.95, "layer": 0.94})

    said = [
        "each was compared with it only" in str(conclude(summary(means)).beyond) for means in (two, three)
    ]

    assert said == [False, True]
