"""The README's tables of the article are those of the runs in docs/, and claim no more than these show."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SUMMARIES = {
    preset: json.loads((ROOT / "docs" / f"{preset}.json").read_text())
    for preset in ("article", "article_as_written")
}
NOT_DIFFERENT = [
    {"batch", "layer"},
    {"layer", "group"},
    {"rms", "layer"},
    {"weight+init", "layer+init"},
    {"none", "none+init"},
]
"""Pairs that runs of this length do not tell apart: no sentence may order them."""
presets = pytest.mark.parametrize("preset", SUMMARIES)


def arm(preset: str, name: str) -> dict[str, Any]:
    return next(found for found in SUMMARIES[preset]["arms"] if found["name"] == name)


@presets
def test_a_table_is_that_of_the_stored_summary(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    figures = importlib.import_module("figures")

    assert f"<!-- {preset} -->\n{figures.table(SUMMARIES[preset])}\n<!-- end -->" in README


@presets
def test_the_runs_are_ten_of_each_arm_to_their_end(preset: str) -> None:
    summary = SUMMARIES[preset]

    assert (summary["complete"], summary["step"], summary["warnings"]) == (True, 1000, [])
    assert {found["name"]: found["n"] for found in summary["arms"]} == dict.fromkeys(
        ("none", "weight", "weight+init", "batch", "layer"), 10
    )


@pytest.mark.parametrize("name", ["none", "weight", "weight+init", "batch", "layer"])
def test_the_means_of_the_article_lie_in_their_bands(name: str, bands: dict[str, Any]) -> None:
    found = arm("article", name)
    low, high = bands[name]["test_acc"]["mean_of_5_seeds"]
    least, most = bands[name]["test_loss"]["mean_of_5_seeds"]

    assert low <= found["test_accuracy"]["mean"] <= high
    assert least <= found["test_loss"]["mean"] <= most


def test_the_memo_s_code_differs_in_one_arm_only() -> None:
    others = [
        {name: figures for name, figures in found.items() if name != "train_seconds"}
        for preset in SUMMARIES
        for found in SUMMARIES[preset]["arms"]
        if found["name"] != "weight"
    ]

    assert others[:4] == others[4:]
    assert arm("article_as_written", "weight")["test_accuracy"]["max"] < 0.6


@presets
def test_no_sentence_orders_arms_that_are_not_different(preset: str) -> None:
    ordered = [
        {each["arm"], SUMMARIES[preset]["baseline"]}
        for each in SUMMARIES[preset]["differences"]
        if each["verdict"] != "not_told_apart"
    ]

    assert [pair for pair in ordered if pair in NOT_DIFFERENT] == []


def test_the_claims_carry_the_figures_of_the_runs() -> None:
    claims = README.partition("What holds of the memo's claims:")[2].partition("\n## ")[0]
    shown = [text for preset in SUMMARIES for text in table_cells(preset)]

    figures = re.findall(r"[+-]?0\.\d{4} (?:to|±) [+-]?0\.\d{4}", claims)
    assert len(figures) == 4
    assert [figure for figure in figures if figure not in shown] == []


def table_cells(preset: str) -> list[str]:
    table = README.partition(f"<!-- {preset} -->\n")[2].partition("<!-- end -->")[0]
    return [cell.strip() for line in table.splitlines() for cell in line.split("|")]
