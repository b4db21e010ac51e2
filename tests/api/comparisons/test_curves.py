"""Curves of a comparison over HTTP: aligned, with bands, bounded, honest where runs end early."""

import csv
from io import StringIO
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from models.specs.spec import TrainSpec
from tests.api import planted, work


def accuracy(arm: str, seed: int, _: float) -> float:
    return 0.9 + 0.01 * seed + 0.05 * (arm == "batch")


def groups(client: TestClient, created: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    answer = client.get(created["links"]["curves"], params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["arms"]
    return found


@pytest.mark.slow
def test_a_curve_is_the_mean_of_the_evaluations_with_its_band(client: TestClient) -> None:
    created = planted.comparison(client, accuracy, seeds=3)

    none, batch = groups(client, created, band="sd")

    assert (none["arm"], none["x"], none["n"], none["runs"]) == ("none", [50, 100], [3, 3], None)
    assert none["mean"] == pytest.approx([0.81, 0.91])
    assert [none["low"], none["high"]] == [pytest.approx([0.80, 0.90]), pytest.approx([0.82, 0.92])]
    assert batch["mean"] == pytest.approx([0.86, 0.96])


@pytest.mark.slow
@pytest.mark.parametrize(("band", "half"), [("ci95", 4.302653 * 0.01 / 3**0.5), ("minmax", 0.01)])
def test_a_band_is_what_it_is_called(client: TestClient, band: str, half: float) -> None:
    created = planted.comparison(client, accuracy, seeds=3)

    [none, _] = groups(client, created, band=band)

    assert np.subtract(none["high"], none["mean"]) == pytest.approx([half, half], rel=1e-6)


@pytest.mark.slow
def test_a_dense_history_is_thinned_with_its_ends(client: TestClient) -> None:
    created = planted.comparison(client, accuracy, seeds=1)

    none, _ = groups(client, created, metric="train_loss", max_points=10)

    assert (len(none["x"]), none["x"][0], none["x"][-1]) == (10, 1, 100)
    assert none["mean"] == pytest.approx([1 / step for step in none["x"]])
    assert none["low"] == none["high"] == [None] * 10  # one run has no interval


def test_a_run_that_diverged_ends_its_curve_and_not_that_of_its_arm(client: TestClient) -> None:
    created = planted.comparison(client, lambda _arm, seed, _: None if seed == 0 else 0.9, seeds=2)

    none, _ = groups(client, created, metric="train_loss", max_points=2000, runs=True)

    assert (none["n"][58:60], none["n"][60:]) == ([2, 1], [1] * 40)
    assert none["runs"][0] == {"seed": 0, "y": [1 / step for step in range(1, 60)] + [None] * 41}


def test_an_arm_whose_runs_all_diverged_has_a_short_curve(client: TestClient) -> None:
    created = planted.comparison(client, lambda arm, _seed, _: None if arm == "batch" else 0.9, seeds=2)

    none, batch = groups(client, created, metric="train_loss", max_points=2000)

    assert (len(none["x"]), batch["x"][-1]) == (100, 59)


def test_a_comparison_that_has_not_begun_has_empty_curves(client: TestClient) -> None:
    created = client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 2}).json()

    assert [group["x"] for group in groups(client, created)] == [[], []]


def test_arms_of_unlike_lengths_each_have_their_own_steps(client: TestClient) -> None:
    arms = [{"name": "none"}, {"name": "short", "steps": 60, "checkpoint_every": 60}]
    created = client.post("/comparisons", json={"arms": arms, "base": planted.BASE, "seeds": 1}).json()
    long, short = planted.waiting(client, created)
    planted.end(client, long, 0.9)
    attempt = work.claimed(client, short["id"])
    work.record(client, attempt, *planted.history(0.8, 60))

    none, other = groups(client, created, metric="train_accuracy")

    assert (none["x"][-1], other["x"][-1]) == (100, 60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "eval_every", "checkpoint_every"),
    [(1000, 100, 500), (1000, 30, 40), (1001, 7, 7), (7, 100, 500), (60, 1, 60), (997, 6, 4), (10, 11, 3)],
)
def test_a_curve_of_evaluations_has_the_steps_that_are_evaluated(
    client: TestClient, steps: int, eval_every: int, checkpoint_every: int
) -> None:
    spec = TrainSpec(steps=steps, eval_every=eval_every, checkpoint_every=checkpoint_every)
    base = spec.model_dump(include={"steps", "eval_every", "checkpoint_every"})
    body = {"arms": [{"name": "none"}], "base": base, "seeds": 1}
    created = client.post("/comparisons", json=body).json()
    [job] = planted.waiting(client, created)
    evaluated = [step for step in range(1, steps + 1) if spec.evaluates(step)]
    rows = [planted.row(step, 0.9) for step in range(1, steps + 1)]
    attempt = work.claimed(client, job["id"])
    work.record(
        client, attempt, *(row._replace(test_loss=0.1 if row.step in evaluated else None) for row in rows)
    )

    [group] = groups(client, created, metric="test_loss", max_points=2000)

    assert group["x"] == evaluated


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metric", "steps"), [("train_loss", [41, 42, 43]), ("test_loss", [42]), ("validation_accuracy", [42])]
)
def test_a_window_has_its_own_points(sqlite_client: TestClient, metric: str, steps: list[int]) -> None:
    base = {"steps": 60, "eval_every": 7, "checkpoint_every": 30}
    created = sqlite_client.post("/comparisons", json={**planted.TWO_ARMS, "base": base, "seeds": 1}).json()
    job, _ = planted.waiting(sqlite_client, created)
    rows = [
        row._replace(test_loss=0.1, validation_accuracy=0.5) if row.step % 7 == 0 else row
        for row in (planted.row(step, 0.9) for step in range(1, 61))
    ]
    work.record(sqlite_client, work.claimed(sqlite_client, job["id"]), *rows)

    none, _ = groups(sqlite_client, created, metric=metric, start_step=41, end_step=43)

    assert none["x"] == steps


def test_a_window_of_evaluations_includes_the_last_step(sqlite_client: TestClient) -> None:
    created = planted.comparison(sqlite_client, accuracy, seeds=1)

    windows = [(50, 100), (51, 99), (100, 2**31 - 1), (101, 200)]
    found = [
        groups(sqlite_client, created, start_step=first, end_step=last)[0]["x"] for first, last in windows
    ]

    assert found == [[50, 100], [], [100], []]


def test_arms_name_their_method_and_the_runs_that_diverged(sqlite_client: TestClient) -> None:
    created = planted.comparison(
        sqlite_client,
        lambda arm, seed, _: None if (arm, seed) == ("BN", 1) else 0.9,
        arms=[{"name": "none"}, {"name": "BN", "norm": "batch", "init": True}],
        seeds=2,
    )

    none, batch = groups(sqlite_client, created, start_step=90)

    assert (none["method"], none["diverged"]) == ("none", [])
    assert (batch["method"], batch["diverged"]) == ("batch+init", [{"seed": 1, "step": 60}])


@pytest.mark.slow
def test_many_single_runs_have_fewer_points(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.comparing.curves.MOST_SINGLE_FIGURES", 100)
    created = planted.comparison(client, accuracy, seeds=5)

    none, batch = groups(client, created, metric="train_loss", max_points=2000, runs=True)

    assert [len(run["y"]) for run in (*none["runs"], *batch["runs"])] == [len(none["x"])] * 10 == [10] * 10


def test_curves_are_a_table_too(client: TestClient) -> None:
    created = planted.comparison(client, accuracy, seeds=1)

    answer = client.get(created["links"]["curves"], params={"format": "csv"})

    rows = [*csv.DictReader(StringIO(answer.text))]
    assert rows[1] == {
        **{"arm": "none", "learning_rate": "0.1", "step": "100"},
        **{"n": "1", "mean": "0.9", "low": "", "high": ""},
    }
    assert len(rows) == 4


def test_a_table_with_single_runs_has_a_row_per_run_and_step(client: TestClient) -> None:
    created = planted.comparison(client, lambda _arm, seed, _: None if seed == 3 else 0.5, seeds=[3, 1])

    answer = client.get(created["links"]["curves"], params={"format": "csv", "runs": True})

    rows = [*csv.DictReader(StringIO(answer.text))]
    assert [(row["arm"], row["step"], row["seed"], row["value"]) for row in rows] == [
        (arm, step, seed, value)
        for arm in ("none", "batch")
        for step, values in (("50", ("0.4", "0.4")), ("100", ("0.5", "")))
        for seed, value in zip(("1", "3"), values, strict=True)
    ]
    assert (rows[3]["n"], rows[3]["mean"], rows[3]["low"]) == ("1", "0.5", "")


def test_curves_that_the_client_has_are_not_sent_again(client: TestClient) -> None:
    created = planted.comparison(client, accuracy, seeds=1)
    url = created["links"]["curves"]
    first = client.get(url)

    same = client.get(url, headers={"if-none-match": first.headers["etag"]})
    other = client.get(url, params={"band": "sd"}, headers={"if-none-match": first.headers["etag"]})

    assert (same.status_code, other.status_code) == (304, 200)


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ({"metric": "loss"}, "/metric"),
        ({"band": "iqr"}, "/band"),
        ({"max_points": 9}, "/max_points"),
        ({"start_step": 0}, "/start_step"),
        ({"max_points": 2001}, "/max_points"),
        ({"learning_rate": 0.1}, "/learning_rate"),
        ({"format": "xml"}, "/format"),
    ],
)
def test_a_wrong_question_is_refused_by_place(client: TestClient, query: dict[str, Any], place: str) -> None:
    created = client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 1}).json()

    answer = client.get(created["links"]["curves"], params=query)

    assert work.problem(answer) == (422, "validation-error", [place])
