"""What one key may use of an api: others are served meanwhile, and every refusal says when to try again."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import serving
from tests.api.streams import Listener
from tests.api.work import problem, with_key

QUOTAS = {
    "key_requests_per_second": 10,
    "max_key_predictions": 2,
    "max_key_streams": 1,
    "max_key_queued": 2,
}
BURST = 20


@pytest.fixture
def limited(sqlite_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with serving(sqlite_url, tmp_path, auth="keys", **QUOTAS) as client:
        yield client


def test_a_key_that_sends_too_much_waits_and_no_other(limited: TestClient) -> None:
    mine, other = with_key(limited), with_key(limited)
    found = [limited.get("/limits", headers=mine) for _ in range(BURST * 3)]

    refused = [each for each in found if each.status_code == 429]
    assert all(each.status_code == 200 for each in found[:BURST])
    assert problem(refused[0]) == (429, "too-many-requests", [])
    assert refused[0].headers["Retry-After"] == "1"
    assert limited.get("/limits", headers=other).status_code == 200
    assert limited.get("/livez", headers=mine).status_code == 200
    assert limited.get("/limits", headers=other).json().items() >= QUOTAS.items()


def test_requests_of_the_open_inference_protocol_are_refused_in_its_form(limited: TestClient) -> None:
    mine = with_key(limited)
    found = [limited.get("/v2/models/none", headers=mine) for _ in range(BURST * 3)]

    refused = [each for each in found if each.status_code == 429]
    assert refused[0].json().keys() == {"error"}


async def predict(app: Any, headers: dict[str, str], body: asyncio.Event) -> int:
    """Ask for a prediction whose body arrives later; return the status."""
    sent = {"host": "testserver", "content-type": "application/json", **headers}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/predict",
        "raw_path": b"/predict",
        "query_string": b"models=none",
        "headers": [(name.lower().encode(), text.encode()) for name, text in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "app": app,
    }
    found: list[Any] = []

    async def receive() -> Any:
        await body.wait()
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Any) -> None:
        found.append(message)

    await app(scope, receive, send)
    status: int = found[0]["status"]
    return status


def test_a_key_has_so_many_predictions_at_once(limited: TestClient) -> None:
    app: Any = limited.app
    mine, other = with_key(limited), with_key(limited)

    async def predict_at_once() -> tuple[list[int], list[int], int]:
        body, at_once = asyncio.Event(), asyncio.Event()
        at_once.set()
        waiting = [asyncio.create_task(predict(app, headers, body)) for headers in (mine, mine, other)]
        while sum(quotas(app).predicting.values()) < 3:
            await asyncio.sleep(0)
        meanwhile = [await predict(app, headers, at_once) for headers in (mine, other)]
        body.set()
        return meanwhile, await asyncio.gather(*waiting), await predict(app, mine, at_once)

    assert limited.portal is not None
    meanwhile, waited, afterwards = limited.portal.call(predict_at_once)

    assert meanwhile == [429, 422]
    assert (waited, afterwards) == ([422] * 3, 422)
    assert not quotas(app).predicting


def quotas(app: Any) -> Any:
    """Return the middleware of an app that has responded."""
    layer = app.middleware_stack
    while type(layer).__name__ != "Quotas":
        layer = layer.app
    return layer


def test_a_key_has_so_many_streams(limited: TestClient) -> None:
    mine, other = with_key(limited), with_key(limited)
    stream = Listener(limited, "/events", mine)

    refused = limited.get("/events", headers=mine)
    of_other = Listener(limited, "/events", other)
    of_other.leave()
    stream.leave()
    again = Listener(limited, "/events", mine)
    again.leave()

    assert (stream.status, of_other.status, again.status) == (200, 200, 200)
    assert problem(refused) == (429, "too-many-streams", [])
    assert refused.headers["Retry-After"] == "5"


def test_a_key_has_its_own_room_in_the_queue(limited: TestClient) -> None:
    mine, other = with_key(limited), with_key(limited)
    created = [limited.post("/jobs", json={}, headers=mine) for _ in range(2)]
    arms = {"arms": [{"name": "a"}], "seeds": 1}

    refused = [
        limited.post("/jobs", json={}, headers=mine),
        limited.post("/comparisons", json=arms, headers=mine),
    ]
    of_other = limited.post("/comparisons", json=arms, headers=other)
    extended = limited.post(f"/comparisons/{of_other.json()['id']}/extend", json={"seeds": 3}, headers=other)

    assert [each.status_code for each in (*created, of_other)] == [201, 201, 201]
    assert [problem(each) for each in (*refused, extended)] == [(429, "queue-full", [])] * 3
    assert [each.headers["Retry-After"] for each in refused] == ["10", "10"]


def test_without_keys_there_are_no_such_limits(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path, **QUOTAS) as client:
        found = [client.get("/limits").status_code for _ in range(BURST * 3)]
        jobs = [client.post("/jobs", json={}).status_code for _ in range(3)]
        streams = [Listener(client, "/events") for _ in range(2)]
        for stream in streams:
            stream.leave()

    assert set(found) == {200}
    assert jobs == [201] * 3
