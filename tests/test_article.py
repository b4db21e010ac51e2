"""The tables of the article show the runs in docs/, and no sentence claims more than these show."""

import importlib
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scipy import stats

from analysis.samples import describe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SCIENCE = (ROOT / "docs" / "science.md").read_text()
SUMMARIES = {
    preset: json.loads((ROOT / "docs" / f"{preset}.json").read_text())
    for preset in ("article", "article_as_written", "article_conv", "article_lstm")
}
OTHERS = json.loads((ROOT / "tests" / "reference" / "accuracy_nets.json").read_text())["test_accuracy"]
OTHER_NETS = SCIENCE.partition("## The memo's plan: other nets\n")[2].partition("\n## ")[0]
ARMS = ("none", "weight", "weight+init", "batch", "layer")
NOT_DIFFERENT = [
    ("batch", "layer"),
    ("layer", "group"),
    ("rms", "layer"),
    ("weight+init", "layer+init"),
    ("none", "none+init"),
]
"""Pairs that runs of this length cannot separate: no sentence may order them."""
presets = pytest.mark.parametrize("preset", SUMMARIES)


def arm(preset: str, name: str) -> dict[str, Any]:
    return next(found for found in SUMMARIES[preset]["arms"] if found["arm"] == name)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("figures")


@presets
def test_a_table_shows_the_stored_summary(preset: str, figures: ModuleType) -> None:
    assert f"<!-- {preset} -->\n{figures.table(SUMMARIES[preset])}\n<!-- end -->" in SCIENCE


def test_the_short_table_shows_the_stored_summary(figures: ModuleType) -> None:
    assert f"<!-- article -->\n{figures.short_table(SUMMARIES)}\n<!-- end -->" in README


@presets
def test_the_runs_are_ten_of_each_arm_to_their_end(preset: str) -> None:
    summary = SUMMARIES[preset]

    assert (summary["complete"], summary["step"]) == (True, 1000)
    assert [warning["code"] for warning in summary["warnings"]] == (
        ["at_chance"] if preset == "article_as_written" else []
    )
    assert {found["arm"]: found["n"] for found in summary["arms"]} == dict.fromkeys(ARMS, 10)


@pytest.mark.parametrize("name", ARMS)
@pytest.mark.parametrize("net", ["conv", "lstm"])
def test_the_means_on_other_nets_are_those_of_another_trainer(net: str, name: str) -> None:
    found, others = arm(f"article_{net}", name)["test_accuracy"], describe(OTHERS[net][name])

    test = stats.ttest_ind_from_stats(
        *(found[key] for key in ("mean", "sd", "n")), *(others.mean, others.sd, others.n)
    )

    assert test.pvalue > 0.001


@pytest.mark.parametrize("name", ARMS)
def test_the_means_of_the_article_lie_in_their_bands(name: str, bands: dict[str, Any]) -> None:
    found = arm("article", name)
    low, high = bands[name]["test_acc"]["mean_of_5_seeds"]
    least, most = bands[name]["test_loss"]["mean_of_5_seeds"]

    assert low <= found["test_accuracy"]["mean"] <= high
    assert least <= found["test_loss"]["mean"] <= most


def test_the_memo_s_code_differs_in_one_arm_only() -> None:
    others = [
        {name: figures for name, figures in found.items() if name != "train_seconds"}
        for preset in ("article", "article_as_written")
        for found in SUMMARIES[preset]["arms"]
        if found["arm"] != "weight"
    ]

    assert others[:4] == others[4:]
    assert arm("article_as_written", "weight")["test_accuracy"]["max"] < 0.6


@pytest.mark.parametrize("pair", NOT_DIFFERENT, ids=" and ".join)
def test_no_sentence_orders_arms_that_are_not_different(pair: tuple[str, str]) -> None:
    first, second = (re.escape(name) for name in pair)
    sentences = [each["sentence"] for summary in SUMMARIES.values() for each in summary["differences"]]
    pages = [*README.splitlines(), *SCIENCE.splitlines()]
    orders = re.compile(rf"(?i)`?({first}|{second})`? (was|is) (better|worse) than `?({first}|{second})`? ")

    assert [text for text in (*sentences, *pages) if orders.search(text)] == []


def test_the_claims_carry_the_figures_of_the_runs() -> None:
    claims = SCIENCE.partition("## What the memo claims, and what holds\n")[2].partition("\n## ")[0]
    figures = re.findall(r"[+-]?0\.\d{4} (?:to|±) [+-]?0\.\d{4}", claims)
    with_init, without = cells("article", "weight+init"), cells("article", "weight")
    assert figures == [with_init[6], without[6], without[3], cells("article_as_written", "weight")[3]]


@pytest.mark.parametrize("net", ["conv", "lstm"])
def test_the_verdicts_on_another_net_are_those_of_its_runs(net: str) -> None:
    [verdicts] = re.findall(rf"(?m)^- On `{net}`, (.*)\.$", OTHER_NETS)

    found = re.findall(r"`(\S+)` (?:is|shows) ([^,]+), (\S+ to \S+\d)", verdicts)

    rows = {name: cells(f"article_{net}", name) for name in ARMS[1:]}
    assert found == [(name, row[8], row[6]) for name, row in rows.items()]


def test_the_claims_about_other_nets_carry_the_figures_of_the_runs() -> None:
    claims = OTHER_NETS.partition("Which of the memo's claims hold")[2]
    losses = [difference(f"article_{net}", "weight", "test_loss") for net in ("conv", "lstm")]

    figures = re.findall(r"[+-]?0\.\d{4} (?:to|±) [+-]?0\.\d{4}", claims)

    assert [loss["verdict"] for loss in losses] == ["better", "not_told_apart"]
    assert figures == [
        *("{:+.4f} to {:+.4f}".format(*loss["interval"]) for loss in losses),
        *(cells(f"article_{net}", "weight")[3] for net in ("conv", "lstm")),
    ]
    assert [cells("article_lstm", name)[5] for name in ARMS] == ["10 not reached"] * 5


@pytest.mark.parametrize("preset", ["article", "article_conv", "article_lstm"])
def test_weight_normalization_gains_more_with_init_than_without(preset: str) -> None:
    without, with_init = (
        difference(preset, name, "test_accuracy")["interval"] for name in ("weight", "weight+init")
    )

    assert without[1] < with_init[0]


def difference(preset: str, name: str, metric: str) -> dict[str, Any]:
    """The difference of an arm from the baseline."""
    every = SUMMARIES[preset]["differences"]
    return next(found for found in every if (found["arm"], found["metric"]) == (name, metric))


def cells(preset: str, name: str) -> list[str]:
    """The cells of an arm's row in the full table."""
    table = SCIENCE.partition(f"<!-- {preset} -->\n")[2].partition("<!-- end -->")[0]
    [row] = [line for line in table.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]
