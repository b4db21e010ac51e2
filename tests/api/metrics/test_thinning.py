"""Thinned histories over HTTP: the rows of the exact history, a receipt, in every format."""

import csv
import io
import json
import math
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from analysis.thinning import History, Selecting, thin
from models.specs.metrics import MetricRow
from service.histories.reading import read_columns
from service.serving.pool import finish
from service.store import jobs
from service.store.metrics import Window
from tests.api import work
from tests.api.work import problem, submitted

EVERYTHING = ["first", "last", "min", "max", "non_finite"]
FIGURES = (
    *("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
    *("test_loss", "test_accuracy"),
)

of_each_method = pytest.mark.parametrize("method", ["minmax_lttb", "stride"])


@pytest.fixture(scope="module")
def url(job: dict[str, Any]) -> str:
    return f"/jobs/{job['id']}/metrics"


@pytest.fixture(scope="module")
def rows(trained: TestClient, url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = trained.get(url).json()["items"]
    return found


def planted(client: TestClient, n_rows: int, bad: Any = ()) -> str:
    """The address of a history of which these rows have a train loss that is not finite."""
    job = submitted(client, steps=max(1000, n_rows))
    made = [
        MetricRow(n, math.nan if n in bad else 1 / n, n % 7 / 7, None, None, None, None, n / 8)
        for n in range(1, n_rows + 1)
    ]
    work.record(client, work.claimed(client, job["id"]), *made)
    return f"/jobs/{job['id']}/metrics"


@of_each_method
def test_a_thinned_history_is_rows_of_the_exact_one(
    trained: TestClient, url: str, rows: list[dict[str, Any]], method: Selecting
) -> None:
    answer = trained.get(url, params={"max_points": 300, "thinning": method}).json()

    kept, receipt = answer["items"], answer["thinning"]
    assert kept == [row for row in rows if row in kept]
    assert len(kept) == 300
    assert (kept[0], kept[-1], answer["next_cursor"]) == (rows[0], rows[-1], None)
    assert [row for row in kept if row["test_loss"] is not None] == rows[99::100]
    assert receipt == {
        "method": method,
        "n_in": 1000,
        "n_out": len(kept),
        "kept": EVERYTHING,
        "kept_in_part": [],
    }


@of_each_method
def test_pages_joined_by_a_client_are_thinned_to_the_same_rows(
    trained: TestClient, url: str, rows: list[dict[str, Any]], method: Selecting
) -> None:
    values = np.array([[row[key] for row in rows] for key in FIGURES], float)
    steps = np.arange(1, 1001)

    kept, _ = thin(History(steps, values, np.zeros(1000, bool)), 100, method)
    answer = trained.get(url, params={"max_points": 100, "thinning": method}).json()

    assert [row["step"] for row in answer["items"]] == steps[kept].tolist()


@pytest.mark.parametrize("at_once", [1, 7, 400, 1000, 1001])
def test_a_history_read_in_pieces_is_the_history(
    trained: TestClient, job: dict[str, Any], rows: list[dict[str, Any]], at_once: int
) -> None:
    database = work.database(trained)
    with database.reading() as session:
        key = jobs.get(session, job["id"]).key

    window = Window(990 if at_once == 1 else 1, 1100)
    found = finish(read_columns(database, key, window, FIGURES, at_once))

    expected = rows[989:] if at_once == 1 else rows
    assert found.steps.tolist() == [row["step"] for row in expected]
    np.testing.assert_equal(
        found.values, np.array([[row[key] for row in expected] for key in FIGURES], float)
    )


def test_the_shape_is_kept_unless_the_query_says_otherwise(trained: TestClient, url: str) -> None:
    answer = trained.get(f"{url}?max_points=50").json()

    assert answer["thinning"]["method"] == "minmax_lttb"


def test_a_window_is_thinned_by_itself(trained: TestClient, url: str, rows: list[dict[str, Any]]) -> None:
    answer = trained.get(f"{url}?max_points=20&start_step=101&end_step=300&keys=train_loss").json()

    losses = [row["train_loss"] for row in rows[100:300]]
    kept = {row["train_loss"] for row in answer["items"]}
    assert (answer["items"][0]["step"], answer["items"][-1]["step"]) == (101, 300)
    assert {min(losses), max(losses)} <= kept
    assert answer["thinning"]["n_in"] == 200


@pytest.mark.parametrize("query", ["start_step=2000", "after_step=1000", "evaluated=true&start_step=2000"])
def test_a_window_without_rows_is_thinned_to_nothing(trained: TestClient, url: str, query: str) -> None:
    answers = {
        method: trained.get(f"{url}?max_points=20&thinning={method}&{query}&keys=step").json()
        for method in ("minmax_lttb", "bucket")
    }

    nothing = {"n_in": 0, "n_out": 0, "kept": EVERYTHING, "kept_in_part": []}
    assert answers == {
        method: {"items": [], "next_cursor": None, "thinning": {"method": method, **nothing}}
        for method in answers
    }
    assert trained.get(f"{url}?max_points=20&{query}&keys=step&format=csv").text == "step,non_finite\r\n"


def test_evaluated_rows_alone_are_thinned(trained: TestClient, url: str, rows: list[dict[str, Any]]) -> None:
    answer = trained.get(f"{url}?max_points=10&evaluated=true").json()

    assert (answer["items"], answer["thinning"]["n_in"]) == (rows[99::100], 10)


@pytest.mark.parametrize("query", ["keys=step", "keys=elapsed_seconds"])
def test_without_a_figure_rows_are_evenly_spaced(trained: TestClient, url: str, query: str) -> None:
    steps = [row["step"] for row in trained.get(f"{url}?max_points=10&{query}").json()["items"]]

    assert steps == [1, 144, 251, 286, 429, 572, 715, 751, 857, 1000]


@of_each_method
def test_every_format_has_the_same_rows_and_receipt(trained: TestClient, url: str, method: str) -> None:
    query = f"max_points=40&thinning={method}&keys=train_loss,test_loss"
    rows = trained.get(f"{url}?{query}").json()
    columns = trained.get(f"{url}?{query}&layout=columns").json()
    tables = [trained.get(f"{url}{address}{query}") for address in ("?format=csv&", ".csv?")]
    lines = [trained.get(f"{url}{address}{query}") for address in ("?format=ndjson&", ".ndjson?")]

    receipts = [json.loads(answer.headers["X-Thinning"]) for answer in (*tables, *lines)]
    heading, *cells = csv.reader(io.StringIO(tables[0].text, newline=""))
    assert [columns["thinning"], *receipts] == [rows["thinning"]] * 5
    assert columns["items"] == {key: [row[key] for row in rows["items"]] for key in rows["items"][0]}
    assert [[json.loads(line) for line in answer.text.splitlines()] for answer in lines] == [
        rows["items"]
    ] * 2
    assert heading == ["step", "train_loss", "test_loss", "non_finite"]
    assert [[float(cell) if cell else None for cell in line[:3]] for line in cells] == [
        [row[key] for key in heading[:3]] for row in rows["items"]
    ]
    assert tables[0].text == tables[1].text


def test_rows_that_are_not_finite_survive_and_the_receipt_counts_those_that_do_not_fit(
    client: TestClient,
) -> None:
    few = client.get(planted(client, 500, bad={2, 200, 499}), params={"max_points": 20}).json()
    many = client.get(planted(client, 500, bad=range(100, 501)), params={"max_points": 10}).json()

    assert [row["step"] for row in few["items"] if row["non_finite"]] == [2, 200, 499]
    assert few["thinning"]["kept"] == EVERYTHING
    kept = [row["step"] for row in many["items"] if row["non_finite"]]
    assert (len(many["items"]), kept[-1]) == (10, 500)
    assert many["thinning"]["kept_in_part"] == [{"what": "non_finite", "kept": len(kept), "of": 401}]


def test_buckets_sum_up_consecutive_rows(client: TestClient) -> None:
    url = planted(client, 20, bad={3})
    query = "max_points=10&thinning=bucket&keys=train_loss,test_loss"

    answer = client.get(f"{url}?{query}").json()

    none = {"n": 0, **dict.fromkeys(("mean", "min", "max", "first", "last"))}
    assert answer["items"][1] == {
        "start": 3,
        "end": 4,
        "n": 2,
        "train_loss": {"n": 1, "mean": 0.25, "min": 0.25, "max": 0.25, "first": 0.25, "last": 0.25},
        "test_loss": none,
        "non_finite": ["train_loss"],
    }
    assert (len(answer["items"]), answer["next_cursor"]) == (10, None)
    assert answer["thinning"] == {
        "method": "bucket",
        "n_in": 20,
        "n_out": 10,
        "kept": EVERYTHING,
        "kept_in_part": [],
    }


def test_buckets_are_the_same_in_every_format(trained: TestClient, url: str) -> None:
    query = "max_points=10&thinning=bucket&keys=train_loss,elapsed_seconds"
    rows = trained.get(f"{url}?{query}").json()["items"]
    columns = trained.get(f"{url}?{query}&layout=columns").json()["items"]
    lines = trained.get(f"{url}.ndjson?{query}").text.splitlines()
    heading, *cells = csv.reader(io.StringIO(trained.get(f"{url}.csv?{query}").text, newline=""))

    assert [json.loads(line) for line in lines] == rows
    assert columns["start"] == [row["start"] for row in rows] == list(range(1, 1001, 100))
    assert columns["train_loss"]["mean"] == [row["train_loss"]["mean"] for row in rows]
    assert columns["non_finite"] == [[]] * 10
    assert heading[:5] == ["start", "end", "n", "train_loss_n", "train_loss_mean"]
    assert [float(line[4]) for line in cells] == columns["train_loss"]["mean"]
    assert {len(line) for line in cells} == {len(heading)} == {3 + 2 * 6 + 1}


def test_an_unchanged_thinned_history_is_not_sent_again(trained: TestClient, url: str) -> None:
    first, other = (trained.get(f"{url}?max_points={n}") for n in (50, 60))

    kept = trained.get(f"{url}?max_points=50", headers={"If-None-Match": first.headers["ETag"]})

    assert (kept.status_code, kept.content) == (304, b"")
    assert first.headers["ETag"] != other.headers["ETag"]
    assert (
        first.headers["Cache-Control"] == kept.headers["Cache-Control"] == "private, max-age=3600, immutable"
    )


@pytest.mark.slow
def test_a_long_window_is_thinned_in_the_pool_to_the_same_kind_of_response(sqlite_client: TestClient) -> None:
    url = planted(sqlite_client, 20_500)

    answer = sqlite_client.get(url, params={"max_points": 100}).json()

    assert (answer["thinning"]["n_in"], answer["items"][-1]["step"]) == (20_500, 20_500)


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ("max_points=0", ["/max_points"]),
        ("max_points=9", ["/max_points"]),
        ("max_points=10001", ["/max_points"]),
        ("max_points=1e9", ["/max_points"]),
        ("max_points=x", ["/max_points"]),
        ("max_points=50&thinning=lttb", ["/thinning"]),
        ("thinning=stride", ["/thinning"]),
        ("max_points=50&limit=10", ["/limit"]),
        ("max_points=50&cursor=abc", ["/cursor"]),
        ("max_points=50&keys=loss", ["/keys"]),
        ("max_points=50&start_step=9&end_step=8", ["/start_step", "/end_step"]),
        ("max_points=50&start_step=0", ["/start_step"]),
    ],
)
def test_a_wrong_thinning_is_refused_by_place(
    trained: TestClient, url: str, query: str, pointers: list[str]
) -> None:
    assert problem(trained.get(f"{url}?{query}")) == (422, "validation-error", pointers)


def test_no_job_is_not_found(trained: TestClient) -> None:
    answer = trained.get("/jobs/job_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b/metrics?max_points=50")

    assert problem(answer)[:2] == (404, "job-not-found")
