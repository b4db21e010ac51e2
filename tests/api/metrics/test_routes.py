"""The exact history of a job: in pages, by keys, as columns, CSV and NDJSON."""

import csv
import io
import json
import math
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from models.data.digits import Digits
from models.specs.metrics import MetricRow
from service.api.metrics import routes
from tests.api import work
from tests.api.work import problem, submitted

KEYS = (
    "step",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
    "elapsed_seconds",
)
EVALUATED = ("validation_loss", "validation_accuracy", "test_loss", "test_accuracy")


@pytest.fixture(scope="module")
def url(job: dict[str, Any]) -> str:
    return f"/jobs/{job['id']}/metrics"


@pytest.fixture(scope="module")
def rows(trained: TestClient, url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = trained.get(url).json()["items"]
    return found


def steps(answer: httpx.Response) -> list[int]:
    return [row["step"] for row in answer.json()["items"]]


def test_a_finished_job_has_exactly_its_steps(client: TestClient, finished: dict[str, Any]) -> None:
    answer = client.get(f"/jobs/{finished['id']}/metrics").json()

    assert [row["step"] for row in answer["items"]] == list(range(1, 21))
    assert answer["items"][-1] == finished["latest"]
    assert (answer["next_cursor"], answer["thinning"]) == (None, None)


def test_a_row_has_every_figure(rows: list[dict[str, Any]]) -> None:
    assert {tuple(row) for row in rows} == {(*KEYS, "non_finite")}


def test_rows_are_evaluated_when_the_spec_says_so(rows: list[dict[str, Any]]) -> None:
    evaluated = [row["step"] for row in rows if None not in [row[key] for key in EVALUATED]]
    skipped = [row["step"] for row in rows if {row[key] for key in EVALUATED} == {None}]

    assert evaluated == list(range(100, 1001, 100))
    assert len(evaluated) + len(skipped) == 1000


def test_a_history_is_finite_and_falls(rows: list[dict[str, Any]]) -> None:
    losses = [row["train_loss"] for row in rows]
    seconds = [row["elapsed_seconds"] for row in rows]

    assert sum(losses[-50:]) < sum(losses[:50]) / 2
    assert seconds == sorted(seconds)
    assert {tuple(row["non_finite"]) for row in rows} == {()}


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("by", ["cursor", "link"])
def test_pages_cover_each_step_once(trained: TestClient, url: str, by: str, layout: str) -> None:
    start = f"{url}?start_step=11&end_step=1000&limit=99&layout={layout}&keys=step"

    found = walk(trained, start, start, by, [])

    assert found == list(range(11, 1001))


def walk(client: TestClient, start: str, here: str, by: str, found: list[int]) -> list[int]:
    """Follow Link headers or cursors; answer all steps."""
    answer = client.get(here)
    page = answer.json()
    found = found + (page["items"]["step"] if "columns" in start else steps(answer))
    following = {
        "link": answer.links.get("next", {}).get("url"),
        "cursor": page["next_cursor"] and f"{start}&cursor={page['next_cursor']}",
    }[by]
    return walk(client, start, following, by, found) if following else found


def test_new_rows_come_after_the_cursor(client: TestClient, digits: Digits) -> None:
    job = work.begun(client, digits)
    url = f"/jobs/{job['id']}/metrics"
    known = client.get(f"{url}?limit=1").json()
    page = client.get(url, params={"cursor": known["next_cursor"]})

    newer = client.get(url, params={"after_step": steps(page)[-1]})

    assert steps(page) == list(range(2, job["progress"]["step"] + 1))
    assert newer.json() == {"items": [], "next_cursor": None, "thinning": None}


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("start_step=990", 990, 1000),
        ("end_step=3", 1, 3),
        ("start_step=5&end_step=5", 5, 5),
        ("after_step=0&end_step=2", 1, 2),
        ("after_step=998", 999, 1000),
        ("after_step=998&start_step=1000", 1000, 1000),
        ("start_step=1001", 1, 0),
        ("after_step=1000", 1, 0),
        ("after_step=2147483646", 1, 0),
    ],
)
def test_a_window_is_answered(trained: TestClient, url: str, query: str, first: int, last: int) -> None:
    assert steps(trained.get(f"{url}?{query}")) == list(range(first, last + 1))


def test_keys_choose_figures_and_step_always_stands(
    trained: TestClient, url: str, rows: list[dict[str, Any]]
) -> None:
    answer = trained.get(f"{url}?keys=test_accuracy,train_loss").json()

    chosen = ("step", "train_loss", "test_accuracy", "non_finite")
    assert answer["items"] == [{key: row[key] for key in chosen} for row in rows]


def test_evaluated_rows_are_a_window_of_their_own(
    trained: TestClient, url: str, rows: list[dict[str, Any]]
) -> None:
    evaluated = [row for row in rows if row["test_loss"] is not None]
    query = f"{url}?evaluated=true&start_step=101&end_step=900"

    page = trained.get(f"{query}&limit=5").json()
    following = trained.get(f"{query}&cursor={page['next_cursor']}").json()
    table = trained.get(f"{url}.ndjson?evaluated=true")

    assert len(evaluated) == 10
    assert page["items"] + following["items"] == evaluated[1:-1]
    assert [json.loads(line) for line in table.text.splitlines()] == evaluated


def test_a_stream_goes_on_where_a_chunk_ended(
    trained: TestClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [trained.get(f"{url}.{kind}").content for kind in ("csv", "ndjson")]

    monkeypatch.setattr(routes, "ROWS_PER_CHUNK", 10)
    chunked = [trained.get(f"{url}.{kind}").content for kind in ("csv", "ndjson")]

    assert chunked == whole


def test_an_empty_window_is_empty_in_every_format(trained: TestClient, url: str) -> None:
    empty = f"{url}?after_step=1000&keys=train_loss"

    assert trained.get(f"{empty}&layout=columns").json()["items"] == {
        "step": [],
        "train_loss": [],
        "non_finite": [],
    }
    assert trained.get(f"{empty}&format=csv").text == "step,train_loss,non_finite\r\n"
    assert trained.get(f"{empty}&format=ndjson").text == ""


def test_a_compressed_history_has_a_version_too(trained: TestClient, url: str) -> None:
    plain = trained.get(url, headers={"Accept-Encoding": "identity"})

    packed = trained.get(url, headers={"Accept-Encoding": "gzip"})
    known = trained.get(url, headers={"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]})

    assert (packed.headers["Content-Encoding"], packed.content) == ("gzip", plain.content)
    assert int(packed.headers["Content-Length"]) < len(plain.content) / 4
    assert packed.headers["ETag"] == f"W/{plain.headers['ETag']}"
    assert packed.headers["Vary"] == "Accept, Accept-Encoding"
    assert (known.status_code, known.headers["ETag"]) == (304, packed.headers["ETag"])


def test_columns_are_the_rows_turned(trained: TestClient, url: str, rows: list[dict[str, Any]]) -> None:
    answer = trained.get(f"{url}?layout=columns").json()

    assert answer["items"] == {key: [row[key] for row in rows] for key in (*KEYS, "non_finite")}


@pytest.mark.parametrize(
    ("query", "accept"),
    [
        ("?format=ndjson", "*/*"),
        ("?format=ndjson", "text/csv"),
        ("", "application/x-ndjson"),
        ("", "application/x-ndjson;q=0.9, */*;q=0.1"),
    ],
    ids=["format", "format wins", "accept", "accept with more"],
)
def test_ndjson_is_a_row_a_line(
    trained: TestClient, url: str, rows: list[dict[str, Any]], query: str, accept: str
) -> None:
    answer = trained.get(url + query, headers={"Accept": accept})

    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in answer.text.splitlines()] == rows


@pytest.mark.parametrize(
    ("query", "accept"),
    [("?format=csv", "*/*"), ("?format=csv", "application/json"), ("", "text/csv"), ("", "text/csv, */*")],
    ids=["format", "format wins", "accept", "accept with more"],
)
def test_csv_has_the_same_numbers(
    trained: TestClient, url: str, rows: list[dict[str, Any]], query: str, accept: str
) -> None:
    answer = trained.get(url + query, headers={"Accept": accept})

    heading, *lines = csv.reader(io.StringIO(answer.text, newline=""))
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert heading == [*KEYS, "non_finite"]
    assert [[float(cell) if cell else None for cell in line[:-1]] for line in lines] == [
        [row[key] for key in KEYS] for row in rows
    ]


@pytest.mark.parametrize("accept", ["application/json, text/csv", "*/*", "text/html"])
def test_json_is_what_others_get(trained: TestClient, url: str, accept: str) -> None:
    answer = trained.get(f"{url}?limit=1", headers={"Accept": accept})

    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("format_", ["csv", "ndjson"])
def test_a_stream_keeps_to_window_and_keys(trained: TestClient, url: str, format_: str) -> None:
    answer = trained.get(f"{url}?format={format_}&after_step=1&end_step=3&keys=step&limit=1")

    assert (
        answer.text
        == {
            "csv": "step,non_finite\r\n2,\r\n3,\r\n",
            "ndjson": '{"step":2,"non_finite":[]}\n{"step":3,"non_finite":[]}\n',
        }[format_]
    )


def test_a_client_that_has_the_newest_rows_is_told_so(client: TestClient, digits: Digits) -> None:
    job = work.begun(client, digits)
    url = f"/jobs/{job['id']}/metrics"
    first = client.get(url)

    same = client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    client.post(f"/jobs/{job['id']}/cancel")
    after = client.get(url, headers={"If-None-Match": '"other"'})

    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert (after.status_code, after.content) == (200, first.content)


def test_new_rows_change_the_etag(client: TestClient) -> None:
    job = submitted(client)
    attempt = work.claimed(client, job["id"])
    url = f"/jobs/{job['id']}/metrics"
    etag = client.get(url).headers["ETag"]

    work.record(client, attempt, MetricRow(1, 2.5, 0.1, None, None, None, None, 0.25))
    answer = client.get(url, headers={"If-None-Match": etag})

    assert (answer.status_code, steps(answer)) == (200, [1])


def test_a_figure_that_is_not_finite_is_null_and_named(client: TestClient) -> None:
    job = submitted(client)
    attempt = work.claimed(client, job["id"])
    work.record(client, attempt, MetricRow(1, math.nan, 0.5, math.inf, 0.5, -math.inf, 0.5, 0.25))
    row = {
        "step": 1,
        "train_loss": None,
        "train_accuracy": 0.5,
        "validation_loss": None,
        "validation_accuracy": 0.5,
        "test_loss": None,
        "test_accuracy": 0.5,
        "elapsed_seconds": 0.25,
        "non_finite": ["train_loss", "validation_loss", "test_loss"],
    }

    answers = {
        form: client.get(f"/jobs/{job['id']}/metrics?format={form}") for form in ("json", "ndjson", "csv")
    }

    assert (answers["json"].json()["items"], json.loads(answers["ndjson"].text)) == ([row], row)
    assert answers["csv"].text.splitlines()[1] == "1,,0.5,,0.5,,0.5,0.25,train_loss validation_loss test_loss"
    assert client.get(f"/jobs/{job['id']}").json()["latest"] == row


@pytest.mark.parametrize("number", [2**31 - 1, 2**31 - 2, -(2**31) + 1, 1.5])
def test_a_forged_cursor_of_any_number_is_harmless(client: TestClient, number: float) -> None:
    job_id = submitted(client)["id"]
    cursor = work.cursor(f"metrics {job_id}", number)

    answer = client.get(f"/jobs/{job_id}/metrics", params={"cursor": cursor})

    assert answer.json() == {"items": [], "next_cursor": None, "thinning": None}


def test_a_cursor_of_another_job_is_refused(client: TestClient) -> None:
    one, another = submitted(client)["id"], submitted(client)["id"]

    answer = client.get(f"/jobs/{one}/metrics", params={"cursor": work.cursor(f"metrics {another}", 1)})

    assert problem(answer) == (422, "invalid-cursor", [])
