"""The format of a response is the query's, or else the one that Accept prefers."""

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from service.api.shared.negotiation import TABLE_TYPES, choose_format

METRICS = {"json": "application/json", "csv": "text/csv", "ndjson": "application/x-ndjson"}


def request(accept: str) -> Request:
    return Request({"type": "http", "headers": [(b"accept", accept.encode())]})


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "json"),
        ("text/csv", "csv"),
        ("TEXT/CSV ; Q=1", "csv"),
        ("application/json;q=0.1, text/csv", "csv"),
        ("text/csv;q=0.1, application/json", "json"),
        ("application/x-ndjson, text/csv", "ndjson"),
        ("text/csv;q=0.5, application/x-ndjson;q=0.5", "csv"),
        ("text/csv;q=0", "json"),
        ("text/csv;q=0, application/x-ndjson;q=0.001", "ndjson"),
        ("text/csv;header=absent;q=0.2, application/x-ndjson;q=0.3", "ndjson"),
        ("text/csv;q=much, application/x-ndjson;q=0.1", "ndjson"),
        ("text/csv;q=nan", "json"),
        ("text/html, */*;q=0.8", "json"),
        ("image/png", "json"),
        (",;,q=1", "json"),
    ],
)
def test_accept_chooses_by_quality_and_then_by_order(accept: str, chosen: str) -> None:
    assert choose_format(request(accept), None, METRICS, "json") == chosen


def test_the_query_overrides_accept() -> None:
    assert choose_format(request("text/csv"), "json", TABLE_TYPES, "json") == "json"


def test_a_client_that_prefers_csv_gets_it(trained: TestClient) -> None:
    url = trained.get("/jobs").json()["items"][0]["links"]["metrics"]

    answer = trained.get(url, headers={"accept": "application/json;q=0.1, text/csv"})

    assert answer.headers["content-type"].startswith("text/csv")
