"""What was deleted is gone for every route, although its rows wait to be swept; on both databases."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import func, select
from starlette.testclient import TestClient

from models.data.digits import Digits
from service.store.marks import WITH_MARKED
from service.store.tables import Job
from tests.api import work
from tests.api.comparisons.test_routes import created, train
from tests.api.described import APP

pytestmark = pytest.mark.slow

ROUTES = [
    (method, str(route.path))
    for route in iter_route_contexts(APP.routes)
    if isinstance(route.original_route, APIRoute)
    for method in route.methods or ()
]
OF_JOBS = [route for route in ROUTES if "{job_id}" in route[1]]
OF_COMPARISONS = [route for route in ROUTES if "{comparison_id}" in route[1]]
LISTS = ("/jobs", "/jobs?sort=test_accuracy", "/jobs?tag=a:1", "/jobs?label=gone", "/comparisons", "/queue")
FORMS = ("/ui/compare/{comparison_id}/extend", "/ui/compare/{comparison_id}/cancel")
BODIES: dict[str, Any] = {"predict": {"images": [[0.0] * 784]}, "extend": {"seeds": 3}}


def ask(client: TestClient, method: str, path: str, **ids: str) -> httpx.Response:
    filled = path.format(which="latest", other_id=ids["job_id"], **ids)
    body = BODIES.get(path.rsplit("/", 1)[-1], {"label": "x"} if method == "PATCH" else None)
    sent = {"data": {"more": 3, "after": 1}} if path.endswith(FORMS) else {"json": body}
    answer: httpx.Response = client.request(method, filled, **sent)
    return answer


def is_problem(answer: httpx.Response) -> bool:
    """Whether it has a problem as JSON: HEAD has no body, and a page is HTML."""
    return bool(answer.content) and answer.headers["content-type"] == "application/problem+json"


@pytest.fixture
def gone(client: TestClient, digits: Digits) -> dict[str, str]:
    """The ids of a trained job and of a trained comparison that were deleted."""
    job = work.trained(client, digits, **work.SHORT, telemetry=True, label="gone", tags={"a": "1"})
    comparison = created(client)
    train(client, digits, comparison["id"])
    assert client.get(f"/comparisons/{comparison['id']}/summary").json()["complete"] is True
    client.delete(f"/jobs/{job['id']}").raise_for_status()
    client.delete(f"/comparisons/{comparison['id']}").raise_for_status()
    with work.database(client).reading() as session:
        count = session.scalar(select(func.count(Job.key)), execution_options=WITH_MARKED)
        assert count == 11
    return {"job_id": job["id"], "comparison_id": comparison["id"]}


def test_every_route_responds_as_if_they_had_never_been(client: TestClient, gone: dict[str, str]) -> None:
    found = {(method, path): ask(client, method, path, **gone) for method, path in OF_JOBS + OF_COMPARISONS}

    assert {route: answer.status_code for route, answer in found.items()} == dict.fromkeys(found, 404)
    codes = {route: answer.json()["code"] for route, answer in found.items() if is_problem(answer)}
    assert {codes[route] for route in OF_JOBS if route in codes} == {"job-not-found"}
    assert {codes[route] for route in OF_COMPARISONS if route in codes} == {"comparison-not-found"}


def test_no_list_and_no_count_has_them(client: TestClient, gone: dict[str, str]) -> None:
    lists = (*LISTS, f"/jobs?comparison_id={gone['comparison_id']}")

    found = {path: client.get(path).json() for path in lists}

    assert {
        path: body["items"] if "items" in body else body["queued"] + body["running"]
        for path, body in found.items()
    } == {path: 0 if path == "/queue" else [] for path in lists}


def test_a_repeated_request_still_gets_its_first_response(client: TestClient, tmp_path: Path) -> None:
    headers = {"Idempotency-Key": tmp_path.name}
    first = client.post("/jobs", json={}, headers=headers)
    client.post(first.headers["location"] + "/cancel")
    client.delete(first.headers["location"]).raise_for_status()

    again = client.post("/jobs", json={}, headers=headers)

    assert (again.status_code, again.json()) == (201, first.json())
    assert client.get("/jobs").json()["items"] == []
