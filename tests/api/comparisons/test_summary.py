"""Summaries over HTTP: every number from the raw rows, kept once all runs have ended."""

import csv
import math
from io import StringIO
from itertools import accumulate, product
from statistics import mean, median, stdev
from typing import Any

import pytest
from scipy import stats
from starlette.testclient import TestClient

from models.data.digits import Digits
from service.errors import DatabaseUnavailable
from service.store import comparisons, results
from tests.api import planted, work
from tests.arms import Article, Rows

TOLERANCE = 1e-12


def seeds_of(rows: dict[tuple[str, int], Rows], arm: str) -> list[Rows]:
    return [rows[name, seed] for name, seed in sorted(rows) if name == arm]


def close(found: Any, expected: Any) -> bool:
    """Every number of the one is that of the other to 1e-12."""
    if isinstance(expected, dict):
        return all(close(found[name], value) for name, value in expected.items())
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(close, found, expected))
    if isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(found == expected)


def t_interval(values: list[float]) -> list[float]:
    half = float(stats.t(len(values) - 1).ppf(0.975)) * stdev(values) / math.sqrt(len(values))
    return [mean(values) - half, mean(values) + half]


def described(values: list[float]) -> dict[str, Any]:
    return {
        "n": 5,
        "n_finite": 5,
        "mean": mean(values),
        "sd": stdev(values),
        "interval": t_interval(values),
        "median": median(values),
        "iqm": mean(sorted(values)[1:-1]),
        "iqm_interval": None,
        "min": min(values),
        "max": max(values),
    }


def arrived(steps: list[int | None]) -> dict[str, Any]:
    reached = [math.inf if step is None else float(step) for step in steps]
    censored = steps.count(None)
    return {
        "n": 5,
        "n_censored": censored,
        "mean": None if censored else mean(reached),
        "median": None if median(reached) == math.inf else median(reached),
        "censored_after": 1000 if censored else None,
    }


def arrival_in_training(rows: Rows, level: float) -> int | None:
    right = [round(128 * row["train_accuracy"]) for row in rows]
    reached = (last for last in range(50, len(rows) + 1) if sum(right[last - 50 : last]) >= level * 50 * 128)
    return next(reached, None)


def arrival_on_test(rows: Rows, level: float) -> int | None:
    steps = [
        row["step"] for row in rows if row["test_accuracy"] is not None and row["test_accuracy"] >= level
    ]
    return steps[0] if steps else None


def sign_flip_p(differences: list[float]) -> float:
    observed = abs(math.fsum(differences)) * (1 - 1e-12)
    sums = [
        abs(math.fsum(sign * each for sign, each in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    return sum(each >= observed for each in sums) / len(sums)


def test_all_runs_of_the_article_are_there(article: Article) -> None:
    created, summary, rows = article

    assert (created["jobs"], len(rows)) == (25, 25)
    assert {len(each) for each in rows.values()} == {1000}
    assert [arm["arm"] for arm in summary["arms"]] == ["none", "weight", "weight+init", "batch", "layer"]
    assert (summary["baseline"], summary["step"], summary["complete"]) == ("none", 1000, True)
    assert [warning["code"] for warning in summary["warnings"]] == ["too_few_seeds"]


@pytest.mark.parametrize("place", range(5))
def test_the_figures_of_an_arm_are_those_of_its_rows(article: Article, place: int) -> None:
    _, summary, rows = article
    found = summary["arms"][place]
    runs = seeds_of(rows, found["arm"])

    expected = {
        "n": 5,
        "n_diverged": 0,
        "n_at_chance": 0,
        "test_accuracy": described([run[-1]["test_accuracy"] for run in runs]),
        "test_loss": described([run[-1]["test_loss"] for run in runs]),
        "train_seconds": described([run[-1]["elapsed_seconds"] for run in runs]),
        "time_to": {
            level: {
                "train": arrived([arrival_in_training(run, float(level)) for run in runs]),
                "test": arrived([arrival_on_test(run, float(level)) for run in runs]),
            }
            for level in ("0.90", "0.95", "0.97")
        },
    }

    assert close(found, expected)
    assert {*found} == {*expected, "arm", "learning_rate", "parameters"}


@pytest.mark.parametrize("metric", ["test_accuracy", "test_loss"])
def test_the_differences_are_those_of_the_rows_seed_by_seed(article: Article, metric: str) -> None:
    _, summary, rows = article
    ends = {arm["arm"]: [run[-1][metric] for run in seeds_of(rows, arm["arm"])] for arm in summary["arms"]}
    against = ends.pop("none")
    pairs = {arm: [a - b for a, b in zip(values, against, strict=True)] for arm, values in ends.items()}
    ps = {arm: sign_flip_p(each) for arm, each in pairs.items()}
    ranked = sorted(ps, key=lambda arm: ps[arm])
    corrected = accumulate((min(1.0, ps[arm] * (4 - place)) for place, arm in enumerate(ranked)), max)
    holm = dict(zip(ranked, corrected, strict=True))
    sign = 1 if metric == "test_accuracy" else -1

    found = {each["arm"]: each for each in summary["differences"] if each["metric"] == metric}

    assert [*found] == ["weight", "weight+init", "batch", "layer"]
    assert {arm: (each["p"], each["p_holm"]) for arm, each in found.items()} == {
        arm: (ps[arm], holm[arm]) for arm in found
    }
    assert close(
        found,
        {
            arm: {
                "n": 5,
                "mean": mean(each),
                "interval": t_interval(each),
                "probability_of_improvement": mean(
                    1.0 if sign * one > 0 else 0.5 if one == 0 else 0.0 for one in each
                ),
                "verdict": "not_told_apart",
            }
            for arm, each in pairs.items()
        },
    )


@pytest.mark.slow
def test_a_difference_that_ten_seeds_tell_is_told(client: TestClient) -> None:
    created = planted.comparison(
        client, lambda arm, seed, _: 0.90 + 0.02 * (arm == "batch") + 0.001 * seed, seeds=10
    )

    summary = client.get(created["links"]["summary"]).json()

    accuracy, loss = summary["differences"]
    assert (accuracy["verdict"], loss["verdict"], summary["warnings"]) == ("better", "better", [])
    assert accuracy["sentence"].startswith("batch was better than none in test accuracy over 10 seeds: +0.02")
    assert summary["arms"][1]["time_to"]["0.90"]["test"]["mean"] == 100


@pytest.mark.slow
def test_an_arm_that_always_diverged_is_worse_and_says_so(client: TestClient) -> None:
    created = planted.comparison(
        client, lambda arm, seed, _: None if arm == "batch" else 0.9 + 0.001 * seed, seeds=6
    )

    summary = client.get(created["links"]["summary"]).json()

    arm = summary["arms"][1]
    assert (arm["n"], arm["n_diverged"], arm["test_accuracy"]["mean"]) == (6, 6, pytest.approx(0.1))
    assert (arm["test_loss"]["mean"], arm["time_to"]["0.90"]["train"]["censored_after"]) == (None, 60)
    assert [each["verdict"] for each in summary["differences"]] == ["worse", "not_told_apart"]
    assert [warning["code"] for warning in summary["warnings"]] == ["diverged"]


@pytest.mark.slow
def test_runs_that_learned_nothing_are_counted_and_warned_of(client: TestClient) -> None:
    created = planted.comparison(
        client,
        lambda arm, seed, _: (0.11, 0.1135, None, 0.9)[seed] if arm == "batch" else 0.9 + 0.001 * seed,
        seeds=4,
    )
    url = created["links"]["summary"]

    found = client.get(url).json()
    report = client.get(created["links"]["report.md"]).text

    assert [(arm["n"], arm["n_diverged"], arm["n_at_chance"]) for arm in found["arms"]] == [
        (4, 0, 0),
        (4, 1, 2),
    ]
    messages = {warning["code"]: warning["message"] for warning in found["warnings"]}
    assert messages["at_chance"] == (
        "2 of 8 runs: learned nothing; they succeeded, but with a test accuracy that is not above chance"
    )
    assert table(client.get(url, params={"format": "csv"}).text)["batch", "runs", "n_at_chance"] == "2"
    assert "| batch | 4 | 1 | 2 |" in report
    assert f"- Beware: {messages['at_chance']}." in report
    runs = client.get(created["links"]["runs"]).json()["runs"]
    assert [run["at_chance"] for run in runs] == [False] * 4 + [True, True, False, False]


@pytest.mark.slow
def test_a_run_whose_learning_rate_is_far_too_high_is_at_chance(client: TestClient, digits: Digits) -> None:
    body = {"arms": [{"name": "far", "learning_rate": 1000}], "base": {"steps": 200}, "seeds": 1}
    created = client.post("/comparisons", json=body).json()
    [job] = planted.waiting(client, created)
    work.train(client, digits, job["id"])

    [arm] = client.get(created["links"]["summary"]).json()["arms"]

    assert client.get(f"/jobs/{job['id']}").json()["status"] == "succeeded"
    assert (arm["n"], arm["n_diverged"], arm["n_at_chance"]) == (1, 0, 1)


def test_one_seed_has_figures_and_no_interval(client: TestClient) -> None:
    created = planted.comparison(client, lambda *_: 0.9, seeds=1)

    summary = client.get(created["links"]["summary"]).json()

    assert summary["arms"][0]["test_accuracy"]["mean"] == 0.9
    assert [(each["interval"], each["verdict"]) for each in summary["differences"]] == [
        (None, "not_told_apart")
    ] * 2


def test_runs_that_have_not_ended_are_left_out_and_counted(client: TestClient) -> None:
    created = client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 3}).json()
    first, second, third, *_ = planted.waiting(client, created)
    planted.end(client, first, 0.9)
    planted.end(client, second, 0.95)
    client.post(f"/jobs/{third['id']}/cancel")

    summary = client.get(created["links"]["summary"]).json()

    assert [arm["n"] for arm in summary["arms"]] == [1, 1]
    assert summary["complete"] is False
    assert {warning["code"]: warning["message"][:2] for warning in summary["warnings"]} == {
        "too_few_seeds": "so",
        "not_ended": "3 ",
        "left_out": "1 ",
    }


@pytest.mark.slow
def test_a_summary_is_kept_once_all_runs_have_ended_and_computed_anew_after_an_extension(
    client: TestClient,
) -> None:
    created = planted.comparison(client, lambda _arm, seed, _rate: 0.9 + 0.001 * seed, seeds=2)
    url = created["links"]["summary"]
    first = client.get(url)
    with work.database(client).writing() as session:
        comparison = comparisons.get(session, created["id"])
        revision = comparisons.progress(session, [comparison.key])[comparison.key].revision
        kept = results.stored_summaries(session, comparison, revision) or ""
        results.keep_summaries(session, comparison, revision, kept.replace('"n":2', '"n":7'))

    again = client.get(url).json()
    client.post(f"{created['links']['self']}/extend", json={"seeds": 3})
    extended = client.get(url).json()

    assert (first.json()["arms"][0]["n"], again["arms"][0]["n"], extended["arms"][0]["n"]) == (2, 7, 2)
    assert extended["complete"] is False
    assert client.get(url, headers={"if-none-match": first.headers["etag"]}).status_code == 200


@pytest.mark.slow
def test_a_summary_that_the_client_has_is_not_sent_again(client: TestClient) -> None:
    created = planted.comparison(client, lambda *_: 0.9, seeds=1)
    first = client.get(created["links"]["summary"])

    again = client.get(created["links"]["summary"], headers={"if-none-match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")


def test_one_learning_rate_is_shown_for_all_arms_if_it_is_asked_for(client: TestClient) -> None:
    created = planted.comparison(
        client, lambda _arm, _seed, rate: 1 - rate, seeds=2, learning_rates=[0.1, 0.2]
    )
    url = created["links"]["summary"]

    found = client.get(f"{url}?learning_rate=0.2").json()

    assert (found["learning_rate"], found["rates_chosen_by"]) == (0.2, None)
    assert [arm["learning_rate"] for arm in found["arms"]] == [0.2, 0.2]
    assert found["arms"][0]["test_accuracy"]["mean"] == 0.8
    wrong = client.get(f"{url}?learning_rate=0.3")
    assert work.problem(wrong) == (422, "validation-error", ["/learning_rate"])


def test_a_comparison_without_rates_shows_those_of_its_arms(client: TestClient) -> None:
    arms = [{"name": "slow", "learning_rate": 0.01}, {"name": "fast"}]
    created = planted.comparison(client, lambda *_: 0.9, seeds=1, arms=arms)

    found = client.get(created["links"]["summary"]).json()

    assert (found["learning_rate"], found["rates_chosen_by"]) == (None, None)
    assert [arm["learning_rate"] for arm in found["arms"]] == [0.01, 0.1]


def table(text: str) -> dict[tuple[str, str, str], str]:
    rows = csv.DictReader(StringIO(text))
    return {(row["arm"], row["metric"], row["statistic"]): row["value"] for row in rows}


def test_a_table_has_a_row_per_statistic_and_no_formulas(client: TestClient) -> None:
    arms = [{"name": "none"}, {"name": "=1+1", "norm": "batch"}]
    created = planted.comparison(
        client, lambda arm, _seed, _rate: 0.9 + 0.01 * (arm != "none"), seeds=2, arms=arms
    )
    url = created["links"]["summary"]

    answer = client.get(url, headers={"accept": "text/csv"})

    found, shown = table(answer.text), client.get(url).json()
    assert answer.headers["content-type"].startswith("text/csv")
    assert {arm for arm, _, _ in found} == {"none", "'=1+1"}
    assert len(found) == 2 * (3 + 3 * 12 + 6 * 5 + 1) + 2 * 7
    assert (found["none", "runs", "n"], found["none", "parameters", "n"]) == ("2", "101770")
    low, high = shown["arms"][0]["test_accuracy"]["interval"]
    assert [float(found["none", "test_accuracy", end]) for end in ("low", "high")] == [low, high]
    assert found["'=1+1", "time_to_0.97_test", "n_censored"] == "2"
    assert float(found["'=1+1", "difference_test_accuracy", "mean"]) == shown["differences"][0]["mean"]
    assert ("none", "difference_test_accuracy", "mean") not in found


def test_the_values_of_a_table_are_numbers_or_empty(client: TestClient) -> None:
    created = planted.comparison(client, lambda arm, *_: None if arm == "batch" else 0.9, seeds=1)

    answer = client.get(created["links"]["summary"], params={"format": "csv"})

    values = set(table(answer.text).values())
    assert "" in values
    assert all(math.isfinite(float(value)) for value in values - {""})


@pytest.mark.slow
def test_specs_that_another_release_stored_are_answered(client: TestClient) -> None:
    created = planted.comparison(client, lambda *_: 0.9, seeds=2)
    found = client.get("/jobs", params={"comparison_id": created["id"]}).json()["items"]
    for job in found:
        work.store_spec(client, job["id"], n_units=5000, color="red")

    names = ("summary", "curves", "report.md", "report.html", "plot.svg")
    answers = {name: client.get(created["links"][name]).status_code for name in names}

    assert answers == dict.fromkeys(names, 200)


def test_a_summary_of_another_release_is_computed_anew(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = planted.comparison(client, lambda *_: 0.9, seeds=2)
    url = created["links"]["summary"]
    first = client.get(url)
    monkeypatch.setattr("service.comparing.state.RELEASE", "9.9")
    monkeypatch.setattr("service.comparing.summary.RELEASE", "9.9")
    monkeypatch.setattr("service.comparing.runs.LEVELS", ("0.90",))
    monkeypatch.setattr("service.comparing.summary.LEVELS", ("0.90",))

    again = client.get(url, headers={"if-none-match": first.headers["etag"]})

    assert (again.status_code, [*again.json()["arms"][0]["time_to"]]) == (200, ["0.90"])


def test_a_summary_that_cannot_be_kept_is_answered(
    sqlite_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = planted.comparison(sqlite_client, lambda *_: 0.9, seeds=2)

    def refuse(*_: object) -> None:
        raise DatabaseUnavailable("busy")

    monkeypatch.setattr(results, "keep_summaries", refuse)

    assert sqlite_client.get(created["links"]["summary"]).status_code == 200


def test_an_etag_is_that_of_the_state_that_is_shown(
    sqlite_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job ends after the state was looked up, and before the summary is computed."""
    client = sqlite_client
    created = client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 1}).json()
    first, second = planted.waiting(client, created)
    planted.end(client, first, 0.9)
    look_up = results.stored_summaries

    def end_meanwhile(*arguments: Any) -> str | None:
        monkeypatch.setattr(results, "stored_summaries", look_up)
        planted.end(client, second, 0.9)
        return look_up(*arguments)

    monkeypatch.setattr(results, "stored_summaries", end_meanwhile)

    during, after = (client.get(created["links"]["summary"]) for _ in range(2))

    assert during.json() == after.json()
    assert during.headers["etag"] == after.headers["etag"]


def test_times_are_not_looked_for_in_too_many_rows(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.comparing.runs.MOST_HISTORY_ROWS", 399)
    created = planted.comparison(client, lambda _arm, seed, _rate: 0.9 + seed / 100, seeds=2)

    found = client.get(created["links"]["summary"]).json()

    assert found["warnings"][-1]["code"] == "without_times"
    assert found["arms"][0]["test_accuracy"]["mean"] == pytest.approx(0.905)
    assert found["arms"][0]["time_to"]["0.90"]["test"]["n"] == 0


def test_many_rows_are_read_in_batches(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    created = planted.comparison(client, lambda _arm, seed, _rate: 0.9 + seed / 100, seeds=3)
    url = created["links"]["summary"]
    whole = client.get(url).json()
    monkeypatch.setattr("service.comparing.runs.ROWS_AT_ONCE", 150)
    monkeypatch.setattr(results, "stored_summaries", lambda *_: None)

    assert client.get(url).json() == whole
