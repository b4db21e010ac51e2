"""HEAD is GET without the body, on every path; another method is refused with those that there are."""

from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from tests.api import planted, work
from tests.api.described import APP
from tests.api.described import PATHS as DESCRIBED

ROUTES = [(str(route.path), set(route.methods or ())) for route in iter_route_contexts(APP.routes)]
PATHS = sorted({path for path, _ in ROUTES if not f"{path}/".startswith("/v2/")})
COUNTS_REQUESTS = {"/metrics"}
"""Two responses differ in length; tests/api/monitoring compares them."""
READ = sorted({path for path, methods in ROUTES if "GET" in methods} - COUNTS_REQUESTS)
UNCOMPRESSED = {"Accept-Encoding": "identity"}
"""Forms have a random key of the same length, so the compressed length of two pages differs."""
OF_NOTHING = {
    name: f"{kind}_{'0' * 32}"
    for name, kind in {"comparison_id": "cmp", "webhook_id": "whk", "delivery_id": "dlv"}.items()
}
OF_ONE_REQUEST = {"x-request-id", "date"}


def url(path: str, job: dict[str, Any]) -> str:
    names = {"name": "mnist", "split": "test", "index": 0, "which": "latest", "model_name": "a", "version": 1}
    ids = {"job_id": job["id"], "other_id": job["id"], **OF_NOTHING}
    return path.format(**ids, **names)


def headers(answer: Any) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OF_ONE_REQUEST}


@pytest.mark.slow
@pytest.mark.parametrize("path", READ)
def test_head_is_get_without_the_body(trained: TestClient, job: dict[str, Any], path: str) -> None:
    address = url(path, job)
    read = trained.get(address, headers=UNCOMPRESSED)

    answer = trained.head(address, headers=UNCOMPRESSED)

    assert (answer.status_code, answer.content, headers(answer)) == (read.status_code, b"", headers(read))


@pytest.mark.slow
def test_head_of_what_a_comparison_shows_has_the_length_of_get(sqlite_client: TestClient) -> None:
    created = planted.comparison(sqlite_client, lambda *_: 0.9)
    links = [created["links"][name] for name in ("self", "summary", "curves", "report.md", "plot.svg")]

    lengths = [sqlite_client.head(link).headers["Content-Length"] for link in links]

    assert lengths == [sqlite_client.get(link).headers["Content-Length"] for link in links]


def test_head_knows_conditions_and_pages(trained: TestClient, job: dict[str, Any]) -> None:
    address = f"{job['links']['metrics']}?limit=10"
    read = trained.get(address)

    known = trained.head(address, headers={"If-None-Match": read.headers["ETag"]})

    assert trained.head(address).links["next"] == read.links["next"]
    assert (known.status_code, known.headers["ETag"]) == (304, read.headers["ETag"])


@pytest.mark.parametrize("method", ["TRACE", "BREW", "OPTIONS"])
@pytest.mark.parametrize("path", PATHS)
def test_another_method_is_refused_with_all_that_there_are(
    trained: TestClient, path: str, method: str
) -> None:
    methods = set().union(*(methods for each, methods in ROUTES if each == path))
    allowed = methods | ({"HEAD"} if "GET" in methods else set())

    answer = trained.request(method, path.replace("{", "").replace("}", ""))

    assert work.problem(answer) == (405, "method-not-allowed", [])
    assert answer.headers["Allow"] == ", ".join(sorted(allowed))


def test_head_is_not_described() -> None:
    described = {method for operations in DESCRIBED.values() for method in operations}

    assert described == {"get", "post", "put", "patch", "delete"}


@pytest.mark.parametrize("body", [b"", b"{}", b"\xef\xbb\xbf{}"], ids=repr)
def test_a_job_can_be_cancelled_with_an_empty_object(sqlite_client: TestClient, body: bytes) -> None:
    job = work.submitted(sqlite_client)

    answer = sqlite_client.post(job["links"]["cancel"], content=body)

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
