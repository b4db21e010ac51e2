"""A request can wait for a job to change, or for a comparison to end."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete
from starlette.testclient import TestClient

from service.api.shared.dependencies import Parts
from service.api.shared.waiting import Changes
from service.store import jobs
from service.store.database import Database
from service.store.tables import Comparison, Job
from tests.api import planted, work
from tests.api.conftest import serving
from tests.api.work import problem, submitted
from tests.store.rows import T0


def changes_of(client: Any) -> Changes:
    parts: Parts = client.app.state.parts
    return parts.changes


def stop(client: TestClient) -> None:
    """Stop the waits, as a service that stops does."""
    assert client.portal is not None
    client.portal.call(changes_of(client).stop)


def waiting(client: TestClient, public_id: str, **headers: str) -> Callable[[], httpx.Response]:
    """Send a request from a thread and return once the service holds it; the answer can be asked for."""
    url = f"/{'jobs' if public_id.startswith('job') else 'comparisons'}/{public_id}?wait=60"
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(client.get(url, headers=headers)))
    changes = changes_of(client)
    thread.start()
    work.poll(lambda: public_id in changes._waiting)

    def answer() -> httpx.Response:
        thread.join(20)
        return answers[0]

    return answer


def test_an_ended_job_is_answered_at_once(client: TestClient) -> None:
    job = submitted(client)
    ended = client.post(f"/jobs/{job['id']}/cancel").json()

    answer = client.get(f"/jobs/{job['id']}?wait=60")

    assert answer.json() == ended


def test_a_client_whose_version_is_old_is_answered_at_once(client: TestClient) -> None:
    job = submitted(client)

    answer = client.get(f"/jobs/{job['id']}?wait=60", headers={"If-None-Match": '"0-0"'})

    assert answer.json() == job


def test_a_wait_without_a_change_ends_with_the_time(client: TestClient) -> None:
    job = submitted(client)
    etag = client.get(f"/jobs/{job['id']}").headers["ETag"]

    unnamed = client.get(f"/jobs/{job['id']}?wait=0.05")
    named = client.get(f"/jobs/{job['id']}?wait=0.05", headers={"If-None-Match": etag})

    assert (unnamed.status_code, unnamed.json()) == (200, job)
    assert (named.status_code, named.content) == (304, b"")


def test_a_change_through_this_process_ends_the_wait(client: TestClient) -> None:
    job = submitted(client)
    answer = waiting(client, job["id"])

    client.patch(f"/jobs/{job['id']}", json={"label": "new"})

    assert answer().json() == {**job, "label": "new"}


def test_a_change_by_another_connection_ends_the_wait(client: TestClient, database: Database) -> None:
    job = submitted(client)
    etag = client.get(f"/jobs/{job['id']}").headers["ETag"]
    answer = waiting(client, job["id"], **{"If-None-Match": etag})

    with database.writing() as session:
        jobs.cancel_if_not_ended(session, job["id"], T0)

    assert (answer().status_code, answer().json()["status"]) == (200, "cancelled")


def test_a_change_of_another_job_does_not_end_the_wait(client: TestClient) -> None:
    job, another = submitted(client), submitted(client)
    first = waiting(client, job["id"])
    second = waiting(client, another["id"])

    client.patch(f"/jobs/{another['id']}", json={"label": "new"})
    woken = second().json()
    client.patch(f"/jobs/{job['id']}", json={"label": "newer"})

    assert (woken["label"], first().json()["label"]) == ("new", "newer")


def test_a_job_deleted_meanwhile_is_not_found(client: TestClient, database: Database) -> None:
    job = submitted(client)
    answer = waiting(client, job["id"])

    with database.writing() as session:
        session.execute(delete(Job))

    assert problem(answer()) == (404, "job-not-found", [])


@pytest.mark.parametrize("headers", [{}, {"If-None-Match": '"1-1"'}], ids=["no version", "its version"])
def test_a_service_that_stops_answers_those_who_wait(
    sqlite_client: TestClient, headers: dict[str, Any]
) -> None:
    client = sqlite_client
    job = submitted(client)
    answer = waiting(client, job["id"], **headers)

    stop(client)

    assert answer().status_code == {0: 200, 1: 304}[len(headers)]


def test_a_service_that_stops_holds_nobody_any_more(sqlite_client: TestClient) -> None:
    client = sqlite_client
    job = submitted(client)
    stop(client)

    answer = client.get(f"/jobs/{job['id']}?wait=60")

    assert answer.json() == job


def test_nothing_is_read_once_the_database_is_closed(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path) as client:
        job = submitted(client)
        client.get(f"/jobs/{job['id']}?wait=0.01")
        watcher = changes_of(client)._watcher

    assert watcher is not None
    assert (watcher.done(), watcher.cancelled()) == (True, False)


def compared(client: TestClient) -> dict[str, Any]:
    comparison: dict[str, Any] = client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 1}).json()
    return comparison


def test_a_wait_for_a_comparison_ends_with_its_last_run(client: TestClient) -> None:
    comparison = compared(client)
    first, second = planted.waiting(client, comparison)
    answer = waiting(client, comparison["id"])

    planted.end(client, first, 0.9)
    client.post(f"/jobs/{second['id']}/cancel")

    found = answer().json()
    assert (found["status"], found["progress"]["succeeded"], found["progress"]["cancelled"]) == (
        "ended",
        1,
        1,
    )


def test_a_wait_for_a_comparison_that_goes_on_ends_with_the_time(client: TestClient) -> None:
    comparison = compared(client)
    etag = client.get(comparison["links"]["self"]).headers["ETag"]

    unnamed = client.get(f"{comparison['links']['self']}?wait=0.05")
    named = client.get(f"{comparison['links']['self']}?wait=0.05", headers={"If-None-Match": etag})

    assert (unnamed.status_code, unnamed.json()) == (200, comparison)
    assert (named.status_code, named.content) == (304, b"")


def test_a_comparison_that_has_ended_is_answered_at_once(client: TestClient) -> None:
    comparison = compared(client)
    ended = client.post(f"{comparison['links']['self']}/cancel").json()

    assert client.get(f"{comparison['links']['self']}?wait=60").json() == ended


def test_a_comparison_deleted_meanwhile_is_not_found(client: TestClient, database: Database) -> None:
    comparison = compared(client)
    answer = waiting(client, comparison["id"])

    with database.writing() as session:
        session.execute(delete(Job))
        session.execute(delete(Comparison))

    assert problem(answer()) == (404, "comparison-not-found", [])


@pytest.mark.parametrize("seconds", ["61", "-1", "nan", "soon"])
def test_a_wait_is_at_most_a_minute(sqlite_client: TestClient, seconds: str) -> None:
    comparison = compared(sqlite_client)

    answer = sqlite_client.get(f"{comparison['links']['self']}?wait={seconds}")

    assert problem(answer) == (422, "validation-error", ["/wait"])


def test_a_service_that_stops_answers_those_who_wait_for_a_comparison(sqlite_client: TestClient) -> None:
    comparison = compared(sqlite_client)
    answer = waiting(sqlite_client, comparison["id"])

    stop(sqlite_client)

    assert answer().json()["status"] == "running"
