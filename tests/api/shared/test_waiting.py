"""A request can wait for a job to change."""

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import delete
from starlette.testclient import TestClient

from service.api.shared.dependencies import Parts
from service.api.shared.waiting import Changes
from service.store import jobs
from service.store.database import Database
from service.store.tables import Job
from tests.api import work
from tests.api.work import problem, submitted
from tests.store.rows import T0


def changes_of(client: Any) -> Changes:
    parts: Parts = client.app.state.parts
    return parts.changes


def stop(client: TestClient) -> None:
    """Stop the waits, as a service that stops does."""
    assert client.portal is not None
    client.portal.call(changes_of(client).stop)


def waiting(client: TestClient, job_id: str, **headers: str) -> Callable[[], httpx.Response]:
    """Send a request from a thread and return once the service holds it; the answer can be asked for."""
    url = f"/jobs/{job_id}?wait=60"
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(client.get(url, headers=headers)))
    changes = changes_of(client)
    thread.start()
    work.poll(lambda: job_id in changes._waiting)

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
