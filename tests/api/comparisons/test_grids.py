"""Grids of learning rates: each arm at its best by validation, in every view, and never by test."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api import planted

RATES = [0.5, 0.1, 0.01]
BEST = {"none": 0.1, "batch": 0.5}
SENTENCE = "Each arm at the learning rate with the best mean validation accuracy: none 0.1, batch 0.5"


def on_test(arm: str, _seed: int, rate: float) -> float | None:
    """Rate 0.01 is the best of all, but only on test; at 0.5, none diverges with each seed."""
    if rate == 0.01:
        return 0.875
    return None if (arm, rate) == ("none", 0.5) else 0.5 + 0.25 * (rate == BEST[arm])


def on_validation(arm: str, _seed: int, rate: float) -> float | None:
    return 0.5 + 0.25 * (rate == BEST[arm])


@pytest.fixture
def created(client: TestClient) -> dict[str, Any]:
    return planted.comparison(client, on_test, on_validation, seeds=2, learning_rates=RATES)


def rates(document: dict[str, Any]) -> list[float | None]:
    return [each["learning_rate"] for each in document["arms"]]


def test_the_summary_has_each_arm_at_its_best_rate_by_validation(
    client: TestClient, created: dict[str, Any]
) -> None:
    found, kept = (client.get(created["links"]["summary"]).json() for _ in range(2))

    assert (found["learning_rate"], found["rates_chosen_by"]) == (None, "validation_accuracy")
    assert rates(found) == [0.1, 0.5]
    assert [(arm["n"], arm["test_accuracy"]["mean"]) for arm in found["arms"]] == [(2, 0.75), (2, 0.75)]
    assert "diverged" not in {warning["code"] for warning in found["warnings"]}
    assert kept == found


def test_curves_have_each_arm_at_its_best_rate(client: TestClient, created: dict[str, Any]) -> None:
    found = client.get(created["links"]["curves"]).json()
    table = client.get(created["links"]["curves"], params={"format": "csv"}).text.splitlines()

    assert (found["learning_rate"], found["rates_chosen_by"]) == (None, "validation_accuracy")
    assert rates(found) == [0.1, 0.5]
    assert [group["mean"][-1] for group in found["arms"]] == [0.75, 0.75]
    assert [line.split(",")[:3] for line in table[1:]] == [
        ["none", "0.1", "50"],
        ["none", "0.1", "100"],
        ["batch", "0.5", "50"],
        ["batch", "0.5", "100"],
    ]


@pytest.mark.parametrize("name", ["summary", "curves"])
def test_one_rate_for_all_arms_is_another_answer(
    client: TestClient, created: dict[str, Any], name: str
) -> None:
    url = created["links"][name]
    best = client.get(url)

    one = client.get(f"{url}?learning_rate=0.5", headers={"if-none-match": best.headers["etag"]})

    assert one.status_code == 200
    assert (one.json()["learning_rate"], one.json()["rates_chosen_by"]) == (0.5, None)


@pytest.mark.slow
def test_a_report_says_how_the_rates_were_chosen(client: TestClient, created: dict[str, Any]) -> None:
    url = created["links"]["report.md"]

    best, one = client.get(url).text, client.get(url, params={"learning_rate": 0.5}).text

    assert f"\n{SENTENCE}.\n" in best
    assert "Each arm at" not in one
    assert "| arm | norm | learning_rate |" in best


@pytest.mark.slow
def test_a_plot_says_how_the_rates_were_chosen(client: TestClient, created: dict[str, Any]) -> None:
    url = created["links"]["plot.svg"]

    best, one = client.get(url).text, client.get(url, params={"learning_rate": 0.5}).text

    words = " ".join(best.split())
    assert "best mean validation accuracy" in words
    assert "best mean validation accuracy" not in one


def test_an_arm_without_a_result_has_no_rate_yet(client: TestClient) -> None:
    body = {**planted.TWO_ARMS, "seeds": 1, "learning_rates": [0.1, 0.2]}
    created = client.post("/comparisons", json=body).json()
    first = planted.waiting(client, created)[0]
    planted.end(client, first, 0.9)

    summary = client.get(created["links"]["summary"]).json()
    curves = client.get(created["links"]["curves"]).json()
    report = client.get(created["links"]["report.md"]).text

    assert (summary["complete"], rates(summary), rates(curves)) == (False, [0.1, None], [0.1, None])
    assert [arm["n"] for arm in summary["arms"]] == [1, 0]
    assert [arm["parameters"] for arm in summary["arms"]] == [101_770, 101_898]
    assert curves["arms"][1]["x"] == []
    assert "best mean validation accuracy so far: none 0.1, batch not known yet." in report
    [not_ended] = [each for each in summary["warnings"] if each["code"] == "not_ended"]
    assert not_ended["message"].startswith("3 of 4 runs")


@pytest.mark.slow
def test_runs_at_other_rates_can_change_the_choice(client: TestClient) -> None:
    body = {**planted.TWO_ARMS, "seeds": 1, "learning_rates": [0.1, 0.2]}
    created = client.post("/comparisons", json=body).json()
    *first, third, fourth = planted.waiting(client, created)
    for job in first:
        planted.end(client, job, 0.8)
    before = client.get(created["links"]["summary"])

    planted.end(client, third, 0.9)
    planted.end(client, fourth, 0.7)
    after = client.get(created["links"]["summary"], headers={"if-none-match": before.headers["etag"]})

    assert (rates(before.json()), rates(after.json())) == ([0.1, 0.1], [0.2, 0.1])
