"""Every response keeps browsers from misusing it, whatever it is and wherever it is made."""

from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from service.edge.safe_headers import DATA_POLICY, PAGE_POLICY
from tests.api.work import submitted

SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
DATA = {**SAFE, "content-security-policy": DATA_POLICY}
PAGE = {**SAFE, "content-security-policy": PAGE_POLICY}
OURS = {**PAGE, "referrer-policy": "same-origin"}


def safe(answer: httpx.Response) -> dict[str, str]:
    """The headers of a response that this is about; none may come twice."""
    named = [(name, value) for name, value in answer.headers.multi_items() if name in DATA]
    assert len({*named}) == len({name for name, _ in named}) == len(named)
    return dict(named)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "status", "headers"),
    [
        ("GET", "/livez", 200, DATA),
        ("HEAD", "/jobs", 200, DATA),
        ("GET", "/openapi.json", 200, DATA),
        ("GET", "/jobs/{id}/metrics.csv", 200, DATA),
        ("GET", "/jobs/{id}/plot.svg", 200, DATA),
        ("GET", "/jobs/{id}/checkpoints/latest/weights", 200, DATA),
        ("GET", "/jobs/{id}/events", 200, DATA),
        ("POST", "/jobs/{id}/cancel", 409, DATA),
        ("GET", "/nothing", 404, DATA),
        ("BREW", "/jobs", 405, DATA),
        ("POST", "/jobs", 415, DATA),
        ("GET", "/v2/models/nothing", 404, DATA),
        ("GET", "/", 303, DATA),
        ("GET", "/docs", 200, PAGE),
        ("GET", "/docs/docs.js", 200, DATA),
        ("GET", "/ui/jobs", 200, OURS),
        ("GET", "/ui/jobs?status=lost", 422, OURS),
    ],
)
def test_a_response_is_safe(
    trained: TestClient, job: dict[str, Any], method: str, path: str, status: int, headers: dict[str, str]
) -> None:
    accepts = {"Accept": "text/html" if path.startswith("/ui/") else "*/*"}
    path = path.replace("{id}", job["id"])

    answer = trained.request(method, path, headers=accepts, follow_redirects=False)

    assert (answer.status_code, safe(answer)) == (status, headers)


def test_what_is_refused_at_the_door_is_safe(trained: TestClient) -> None:
    foreign = trained.get("/ui/jobs", headers={"Host": "evil.example"})
    cross_site = trained.post("/jobs", json={}, headers={"Sec-Fetch-Site": "cross-site"})

    assert [(each.status_code, safe(each)) for each in (foreign, cross_site)] == [(421, DATA), (403, DATA)]


def test_a_report_keeps_its_own_policy(sqlite_client: TestClient) -> None:
    created = sqlite_client.post("/comparisons", json={"preset": "article", "seeds": 1}).json()

    policy = safe(sqlite_client.get(created["links"]["report.html"]))["content-security-policy"]

    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")


def test_an_unchanged_version_keeps_the_policy_that_it_has(sqlite_client: TestClient) -> None:
    path = submitted(sqlite_client)["links"]["self"]
    etag = sqlite_client.get(path).headers["ETag"]

    answer = sqlite_client.get(path, headers={"If-None-Match": etag})

    assert (answer.status_code, safe(answer)) == (304, SAFE)
