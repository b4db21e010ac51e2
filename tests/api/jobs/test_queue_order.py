"""Priorities and places in the queue over HTTP, and a queue that is full."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api import work
from tests.api.conftest import serving
from tests.api.work import ids, problem, shown, submitted

COMPARISON = {"arms": [{"name": "a"}], "seeds": 2}


@pytest.fixture
def small(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    """The API with a queue of three jobs."""
    with serving(database_url, tmp_path, max_queued=3) as client:
        yield client


def compared(client: TestClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/comparisons", json={**COMPARISON, **body})
    assert answer.status_code == 201, answer.text
    comparison: dict[str, Any] = answer.json()
    return comparison


def places(client: TestClient) -> dict[str, int]:
    found = client.get("/jobs?limit=200").json()["items"]
    return {job["id"]: job["queue_position"] for job in found}


def test_a_priority_is_shown_and_decides_the_place(client: TestClient) -> None:
    first, urgent = submitted(client), submitted(client, priority=10)

    assert (first["priority"], urgent["priority"]) == (0, 10)
    assert places(client) == {urgent["id"]: 1, first["id"]: 2}


def test_a_priority_can_be_changed(client: TestClient) -> None:
    first, second = submitted(client), submitted(client)

    lowered = client.patch(f"/jobs/{first['id']}", json={"priority": -10}).json()

    assert (lowered["priority"], lowered["queue_position"]) == (-10, 2)
    assert shown(client, second["id"])["queue_position"] == 1


def test_jobs_of_a_comparison_have_its_priority_and_so_have_later_ones(client: TestClient) -> None:
    comparison = compared(client, priority=3)

    extended = client.post(f"/comparisons/{comparison['id']}/extend", json={"seeds": 3}).json()

    jobs = client.get("/jobs", params={"comparison_id": comparison["id"]}).json()["items"]
    assert (comparison["priority"], extended["priority"]) == (3, 3)
    assert [job["priority"] for job in jobs] == [3, 3, 3]


@pytest.mark.parametrize("url", ["/jobs", "/comparisons"])
@pytest.mark.parametrize("priority", [-11, 11, 1.5, None, "1"])
def test_a_priority_out_of_bounds_is_refused(client: TestClient, url: str, priority: object) -> None:
    body = {"priority": priority, **(COMPARISON if url == "/comparisons" else {})}

    assert problem(client.post(url, json=body)) == (422, "validation-error", ["/priority"])


def test_owners_take_turns_in_the_places_too(client: TestClient) -> None:
    comparison = compared(client, seeds=3)
    single = submitted(client)

    a, b, c = reversed(ids(client.get("/jobs", params={"comparison_id": comparison["id"]})))
    assert places(client) == {a: 1, single["id"]: 2, b: 3, c: 4}


def test_what_does_not_fit_into_the_queue_is_refused_and_nothing_is_stored(small: TestClient) -> None:
    comparison = compared(small)
    first = submitted(small)

    refused = [
        small.post("/jobs", json={}),
        small.post("/comparisons", json={**COMPARISON, "seeds": 1}),
        small.post(f"/comparisons/{comparison['id']}/extend", json={"seeds": 3}),
    ]

    assert [problem(answer) for answer in refused] == [(429, "queue-full", [])] * 3
    assert {answer.headers["Retry-After"] for answer in refused} == {"10"}
    detail = "The queue has 3 jobs and may have at most 3; 1 more do not fit."
    assert {answer.json()["detail"] for answer in refused} == {detail}
    assert small.get(f"/comparisons/{comparison['id']}").json()["seeds"] == [0, 1]
    assert (len(places(small)), len(small.get("/comparisons").json()["items"])) == (3, 1)

    small.post(f"/jobs/{first['id']}/cancel")
    assert small.post("/jobs", json={}).status_code == 201


def test_a_comparison_larger_than_the_queue_is_not_told_to_try_again(small: TestClient) -> None:
    answer = small.post("/comparisons", json={**COMPARISON, "seeds": 4})

    assert problem(answer) == (429, "queue-full", [])
    assert "Retry-After" not in answer.headers
    assert "4 jobs, and at most 3" in answer.json()["detail"]


def test_a_full_queue_still_repeats_what_it_has_accepted(small: TestClient) -> None:
    key = {"Idempotency-Key": "once"}
    first = small.post("/jobs", json={}, headers=key)
    compared(small)

    again = small.post("/jobs", json={}, headers=key)

    assert (again.status_code, again.json()) == (201, first.json())
    assert small.post("/jobs?dry_run=true", json={}).status_code == 200


def test_a_job_that_starts_makes_room(small: TestClient) -> None:
    job = submitted(small)
    compared(small)
    work.claimed(small, job["id"])

    assert small.post("/jobs", json={}).status_code == 201
