"""The spec of a comparison: presets, precedence, seeds, learning rates, and located errors."""

from typing import Any

import pytest
from pydantic import ValidationError

from models.specs.comparison import MOST_RUNS, ComparisonSpec
from models.specs.facts import NORMS
from models.specs.spec import TrainSpec


def comparison_of(**body: Any) -> ComparisonSpec:
    return ComparisonSpec(**body)


def refused(body: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        ComparisonSpec(**body)
    return [
        ((*line["loc"], *line.get("ctx", {}).get("fields", [])), line["type"])
        for line in caught.value.errors(include_url=False)
    ]


def test_the_article_has_the_memos_five_arms() -> None:
    comparison = ComparisonSpec(preset="article")

    assert comparison.arm_names() == ["none", "weight", "weight+init", "batch", "layer"]
    assert comparison.arm_fields()["weight+init"] == {"norm": "weight", "init": True}
    assert len(list(comparison.runs())) == 5 * 8


def test_as_written_weight_normalization_draws_its_gains() -> None:
    meant, written = (
        ComparisonSpec(preset=preset).arm_fields() for preset in ("article", "article_as_written")
    )

    assert {name for name in meant if meant[name] != written[name]} == {"weight"}
    assert written["weight"]["g_init"] == "random"


@pytest.mark.slow
@pytest.mark.parametrize(("net", "n_units"), [("conv", 16), ("lstm", 64)])
def test_the_articles_arms_are_compared_on_other_nets_too(net: str, n_units: int) -> None:
    presets: list[Any] = ["article", f"article_{net}"]
    dense, other = (ComparisonSpec(preset=preset) for preset in presets)

    assert other.arm_fields() == {name: {**arm, "net": net} for name, arm in dense.arm_fields().items()}
    assert {run.spec.n_units for run in other.runs()} == {n_units}


def test_all_norms_are_compared_without_and_with_init() -> None:
    assert ComparisonSpec(preset="all_norms").arm_names() == [
        norm + suffix for norm in NORMS for suffix in ("", "+init")
    ]


def test_the_base_gives_way_to_a_preset_and_that_to_an_arm() -> None:
    fields = comparison_of(
        preset="article",
        base={"norm": "rms", "steps": 50, "n_units": 64},
        arms=[{"name": "batch", "steps": 20}, {"name": "wide", "n_units": 256}],
    ).arm_fields()

    assert fields["layer"] == {"norm": "layer", "steps": 50, "n_units": 64}
    assert fields["batch"] == {"norm": "batch", "steps": 20, "n_units": 64}
    assert fields["wide"] == {"norm": "rms", "steps": 50, "n_units": 256}


@pytest.mark.parametrize(("seeds", "expected"), [(3, [0, 1, 2]), ([7, 5], [7, 5])])
def test_seeds_are_counted_or_listed(seeds: Any, expected: list[int]) -> None:
    runs = list(comparison_of(arms=[{"name": "a"}, {"name": "b", "norm": "batch"}], seeds=seeds).runs())

    assert [(run.spec.seed, run.arm) for run in runs] == [(seed, arm) for seed in expected for arm in "ab"]


def arms(n: int) -> list[dict[str, Any]]:
    return [{"name": f"arm {place}"} for place in range(n)]


@pytest.mark.parametrize(
    ("body", "n_seeds"),
    [
        ({"preset": "article"}, 8),
        ({"preset": "article", "arms": [{"name": "batch"}, {"name": "rms", "norm": "rms"}]}, 8),
        ({"preset": "all_norms"}, 10),
        ({"arms": arms(2)}, 6),
        ({"arms": arms(1)}, 5),
        ({"arms": arms(200)}, 5),
        ({"arms": arms(2), "learning_rates": [0.1, 0.2]}, 6),
        ({"arms": arms(20), "learning_rates": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}, 8),
    ],
    ids=str,
)
def test_seeds_are_the_fewest_that_can_show_a_difference_and_leave_room_for_all_runs(
    body: dict[str, Any], n_seeds: int
) -> None:
    comparison = ComparisonSpec(**body)

    assert comparison.seeds == list(range(n_seeds))
    assert len(list(comparison.runs())) <= MOST_RUNS


def test_an_error_of_another_field_does_not_concern_the_seeds() -> None:
    assert refused({"preset": "articel"}) == [(("preset",), "literal_error")]
    assert refused({"arms": arms(20), "learning_rates": [rate / 10 for rate in range(1, 61)]}) == [
        (("arms", "seeds"), "too_many_runs")
    ]


def test_every_arm_is_trained_with_every_rate() -> None:
    runs = comparison_of(arms=[{"name": "a"}], seeds=2, learning_rates=[0.1, 1.0]).runs()

    assert [(run.spec.seed, run.spec.learning_rate) for run in runs] == [
        (0, 0.1),
        (0, 1.0),
        (1, 0.1),
        (1, 1.0),
    ]


def test_arms_with_the_same_name_as_another_are_refused_at_both() -> None:
    arms = [{"name": "a"}, {"name": "b"}, {"name": "a"}]

    assert refused({"arms": arms}) == [(("arms", 0, "name"), "repeated"), (("arms", 2, "name"), "repeated")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [(("arms",), "no_arms")]),
        ({"preset": "articel"}, [(("preset",), "literal_error")]),
        ({"preset": "article", "seeds": 0}, [(("seeds",), "seeds")]),
        ({"preset": "article", "seeds": True}, [(("seeds",), "list_type")]),
        ({"preset": "article", "seeds": []}, [(("seeds",), "too_short")]),
        ({"preset": "article", "seeds": [1, 1]}, [(("seeds",), "repeated")]),
        ({"preset": "article", "seeds": [-1]}, [(("seeds", 0), "greater_than_equal")]),
        ({"preset": "article", "learning_rates": [0.0]}, [(("learning_rates", 0), "greater_than")]),
        ({"preset": "article", "baseline": "rms"}, [(("baseline",), "unknown_baseline")]),
        ({"preset": "article", "seeds": 201}, [(("arms", "seeds"), "too_many_runs")]),
        ({"arms": [{"norm": "batch"}]}, [(("arms", 0, "name"), "missing")]),
        ({"arms": [{"name": "a", "seed": 1}]}, [(("arms", 0, "seed"), "extra_forbidden")]),
        ({"arms": [{"name": "a", "norm": "bach"}]}, [(("arms", 0, "norm"), "literal_error")]),
        ({"arms": [{"name": "a", "steps": 0}]}, [(("arms", 0, "steps"), "greater_than_equal")]),
        (
            {"arms": [{"name": "a"}, {"name": "b", "groups": 4}]},
            [(("arms", 1, "norm", "groups"), "not_applicable")],
        ),
        ({"preset": "all_norms", "base": {"n_units": 1}}, [(("base", "norm", "n_units"), "too_few_units")]),
        (
            {"arms": [{"name": "a", "learning_rate": 0.2}], "learning_rates": [0.1]},
            [(("arms", 0, "learning_rate"), "not_applicable")],
        ),
        (
            {"preset": "article", "base": {"learning_rate": 0.2}, "learning_rates": [0.1]},
            [(("base", "learning_rate"), "not_applicable")],
        ),
    ],
)
def test_an_error_is_located_at_the_wrong_field(body: dict[str, Any], expected: list[Any]) -> None:
    assert refused(body)[:1] == expected


def test_as_many_runs_as_are_allowed_are_planned() -> None:
    assert len(list(comparison_of(preset="article", seeds=MOST_RUNS // 5).runs())) == MOST_RUNS


def test_a_run_s_spec_is_the_same_as_one_that_is_validated() -> None:
    comparison = comparison_of(
        preset="all_norms", base={"weight_decay": 1}, seeds=[3, 7], learning_rates=[1, 0.1]
    )

    validated = [
        TrainSpec(**{**comparison.arm_fields()[arm], "learning_rate": rate, "seed": seed})
        for seed in (3, 7)
        for rate in (1, 0.1)
        for arm in comparison.arm_names()
    ]
    assert [run.spec.canonical_json() for run in comparison.runs()] == [
        spec.canonical_json() for spec in validated
    ]
