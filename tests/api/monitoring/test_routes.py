"""What `/metrics` exports: what this process has counted, and what the database knows."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from service.api.monitoring.families import MOST_OWNERS, Standing
from service.store import counters
from service.store.training_counts import MICROSECONDS, STEPS, class_of
from tests.api import planted, work
from tests.api.streams import Listener
from tests.scrapes import scrape, value

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


def test_requests_are_counted_by_the_template_of_their_route(sqlite_client: TestClient) -> None:
    job_id = work.submitted(sqlite_client)["id"]  # which also reads the job
    sqlite_client.head(f"/jobs/{job_id}")
    sqlite_client.post("/jobs", json={"frob": 1})
    sqlite_client.get(f"/{job_id}")
    sqlite_client.request("FROB", "/jobs")
    sqlite_client.get("/ui/jobs?frob=1")
    sqlite_client.get("/livez", headers={"Host": "evil.example"})
    sqlite_client.get("/v2/models/none")

    found = scrape(sqlite_client)

    requests = {
        tuple(value for _, value in sorted(labels)): count
        for (name, labels), count in found.items()
        if name == "normserve_http_requests_total"
    }
    assert requests == {
        ("POST", "/jobs", "2xx"): 1,
        ("GET", "/jobs/{job_id}", "2xx"): 1,
        ("HEAD", "/jobs/{job_id}", "2xx"): 1,
        ("POST", "/jobs", "4xx"): 1,
        ("GET", "other", "4xx"): 1,
        ("other", "other", "4xx"): 1,
        ("GET", "/ui/jobs", "4xx"): 1,
        ("GET", "/livez", "4xx"): 1,
        ("GET", "/v2/models/{model_name}", "4xx"): 1,
    }
    codes = ("validation-error", "not-found", "method-not-allowed", "misdirected", "model-not-found")
    assert [value(found, "normserve_http_refusals_total", code=code) for code in codes] == [2, 1, 1, 1, 1]


def test_what_the_database_knows_is_exported(client: TestClient) -> None:
    work.submitted(client)
    created = client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 3}).json()
    with work.database(client).writing() as session:
        counters.add(session, {STEPS: 2**40, "fenced_writes": 3, MICROSECONDS: 1_500_000})
        counters.add(session, {class_of(0.01): 4, class_of(0.011): 1, class_of(60): 1})

    found = scrape(client)

    assert value(found, "normserve_database_up") == 1
    statuses = ("queued", "running", "succeeded", "failed", "cancelled")
    assert [value(found, "normserve_jobs", status=each) for each in statuses] == [7, 0, 0, 0, 0]
    owners = ("single_jobs", created["id"])
    assert [value(found, "normserve_queue_jobs", owner=each) for each in owners] == [1, 6]
    waits = [value(found, "normserve_queue_oldest_wait_seconds", owner=each) for each in owners]
    assert [0 < wait < 60 for wait in waits] == [True, True]
    assert value(found, "normserve_training_steps_total") == 2**40
    assert value(found, "normserve_fenced_writes_total") == 3
    bucket = "normserve_span_commit_duration_seconds_bucket"
    bounds = ("0.005", "0.01", "0.025", "10.0", "+Inf")
    assert [value(found, bucket, le=bound) for bound in bounds] == [0, 4, 5, 5, 6]
    assert value(found, "normserve_span_commit_duration_seconds_sum") == 1.5


def test_owners_beyond_the_largest_share_a_label(sqlite_client: TestClient) -> None:
    for _ in range(MOST_OWNERS + 2):
        sqlite_client.post(
            "/comparisons", json={"arms": [{"name": "a"}, {"name": "b", "norm": "layer"}], "seeds": 2}
        )
    work.submitted(sqlite_client)

    found = scrape(sqlite_client)

    owners = {
        dict(labels)["owner"]: n for (name, labels), n in found.items() if name == "normserve_queue_jobs"
    }
    assert (len(owners), owners["other"], "single_jobs" in owners) == (MOST_OWNERS + 1, 2 * 4 + 1, False)


def test_predictions_are_timed_and_refused_ones_are_not(trained: TestClient, job: dict[str, Any]) -> None:
    count, route = "normserve_prediction_duration_seconds_count", "/jobs/{job_id}/predict"
    before = value(scrape(trained), count, route=route)

    for images in ([[0.5] * 784], [[0.5]]):
        trained.post(f"/jobs/{job['id']}/predict", json={"images": images})

    assert value(scrape(trained), count, route=route) == before + 1


def test_open_streams_are_counted(sqlite_client: TestClient) -> None:
    stream = Listener(sqlite_client, "/events")

    assert value(scrape(sqlite_client), "normserve_streams") == 1

    stream.leave()
    assert value(scrape(sqlite_client), "normserve_streams") == 0


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        ("text/plain", PLAIN),
        (PROMETHEUS, OPENMETRICS),
        ("application/openmetrics-text; version=a.b", OPENMETRICS),
        ("application/openmetrics-text;q=0.1,text/plain", PLAIN),
    ],
    ids=["nothing", "anything", "plain", "Prometheus", "no version", "plain preferred"],
)
def test_the_text_has_the_format_that_accept_prefers(
    trained: TestClient, accept: str, content_type: str
) -> None:
    parse = {PLAIN: text_string_to_metric_families, OPENMETRICS: openmetrics_families}[content_type]

    scraped = trained.get("/metrics", headers={"Accept": accept})

    assert (scraped.status_code, scraped.headers["Content-Type"]) == (200, content_type)
    families = list(parse(scraped.text))  # type: ignore[no-untyped-call] # the library's is untyped
    assert {family.name.partition("_")[0] for family in families} == {"normserve"}


def test_head_is_get_without_the_body(trained: TestClient) -> None:
    head = trained.head("/metrics")

    assert (head.status_code, head.headers["Content-Type"], head.content) == (200, PLAIN, b"")


def test_simultaneous_scrapes_read_the_database_once(sqlite_client: TestClient) -> None:
    exposition = sqlite_client.app.state.exposition  # type: ignore[attr-defined] # starlette's app
    exposition.standings.forget(lambda _: True)
    reads: list[None] = []

    def read(_: None) -> Standing:
        reads.append(None)
        standing: Standing = exposition._read(None)
        return standing

    exposition.standings._look_up = read

    with ThreadPoolExecutor(8) as threads:
        texts = list(threads.map(lambda _: sqlite_client.get("/metrics").text, range(8)))

    assert (len(set(texts)), len(reads)) == (1, 1)
