"""The learning rates that an arm bears, over HTTP."""

import csv
from io import StringIO
from statistics import stdev
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api import planted, work

RATES = [0.01, 0.1, 1.0, 10.0]


def accuracy(arm: str, seed: int, rate: float) -> float | None:
    """Batch bears every rate; none diverges at 10 and is worse at 1."""
    if arm == "batch":
        return 0.96
    return None if rate == 10 else 0.93 if rate == 1 else 0.95 + 0.01 * seed


@pytest.fixture
def created(client: TestClient) -> dict[str, Any]:
    return planted.comparison(client, accuracy, seeds=2, learning_rates=RATES)


@pytest.mark.slow
def test_each_arm_has_the_widest_range_in_which_its_mean_reaches_the_level(
    client: TestClient, created: dict[str, Any]
) -> None:
    found = client.get(created["links"]["robustness"], params={"level": 0.95}).json()

    none, batch = found["arms"]
    assert (found["level"], found["complete"]) == (0.95, True)
    assert none["widest"] == {"low": 0.01, "high": 0.1, "factor": pytest.approx(10)}
    assert batch["widest"] == {"low": 0.01, "high": 10.0, "factor": pytest.approx(1000)}
    assert none["rates"][-1] == {
        "learning_rate": 10.0,
        "n": 2,
        "n_diverged": 2,
        "mean": pytest.approx(0.1),
        "low": pytest.approx(0.1),
        "high": pytest.approx(0.1),
    }


@pytest.mark.slow
def test_a_mean_has_its_t_interval(client: TestClient, created: dict[str, Any]) -> None:
    none, _ = client.get(created["links"]["robustness"]).json()["arms"]

    half = 12.7062 * stdev([0.95, 0.96]) / 2**0.5
    assert [none["rates"][0][name] for name in ("mean", "low", "high")] == [
        pytest.approx(each, abs=1e-6) for each in (0.955, 0.955 - half, 0.955 + half)
    ]


def test_the_range_is_by_validation_unless_test_is_asked_for(client: TestClient) -> None:
    created = planted.comparison(
        client,
        lambda _arm, _seed, rate: 0.97 if rate == 1 else 0.9,
        lambda _arm, _seed, rate: 0.97 if rate == 0.1 else 0.9,
        seeds=1,
        learning_rates=[0.1, 1],
    )
    url = created["links"]["robustness"]

    usual, on_test = client.get(url).json(), client.get(url, params={"split": "test"}).json()
    wrong = client.get(url, params={"split": "train"})

    assert [(each["split"], each["arms"][0]["widest"]["low"]) for each in (usual, on_test)] == [
        ("validation", 0.1),
        ("test", 1.0),
    ]
    assert [rate["low"] for rate in usual["arms"][0]["rates"]] == [None, None]
    assert work.problem(wrong) == (422, "validation-error", ["/split"])


def test_a_level_that_is_never_reached_has_no_range(client: TestClient, created: dict[str, Any]) -> None:
    found = client.get(created["links"]["robustness"], params={"level": 0.99}).json()

    assert [arm["widest"] for arm in found["arms"]] == [None, None]


@pytest.mark.slow
def test_rates_are_a_table_too(client: TestClient, created: dict[str, Any]) -> None:
    answer = client.get(created["links"]["robustness"], headers={"accept": "text/csv"})

    rows = [*csv.DictReader(StringIO(answer.text))]
    assert [(row["arm"], row["learning_rate"]) for row in rows[:4]] == [("none", str(rate)) for rate in RATES]
    assert len(rows) == 8


def test_a_comparison_without_rates_has_no_such_answer(client: TestClient) -> None:
    created = client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 1}).json()

    answer = client.get(created["links"]["robustness"])

    assert work.problem(answer) == (409, "no-learning-rates", [])


def test_what_the_client_has_is_not_sent_again(client: TestClient, created: dict[str, Any]) -> None:
    first = client.get(created["links"]["robustness"])

    again = client.get(created["links"]["robustness"], headers={"if-none-match": first.headers["etag"]})

    assert again.status_code == 304
