"""Runs without a result are run again, and every reader counts the new job only."""

from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.store import jobs
from service.store.failures import describe_failure
from tests.api import planted, work

READERS = ("summary", "curves", "report.md", "summary?format=csv")


@pytest.fixture
def ended(client: TestClient) -> dict[str, Any]:
    """A comparison whose run of arm batch and seed 1 has failed, and of arm none and seed 1 was cancelled."""
    body = {**planted.TWO_ARMS, "seeds": 2}
    created: dict[str, Any] = client.post("/comparisons", json=body).json()
    none_0, batch_0, none_1, batch_1 = planted.waiting(client, created)
    planted.end(client, none_0, 0.7)
    planted.end(client, batch_0, None)
    client.post(f"/jobs/{none_1['id']}/cancel")
    attempt = work.claimed(client, batch_1["id"])
    failure = describe_failure("internal", "planted")
    with work.database(client).writing() as session:
        jobs.finish_if_running(session, attempt.key, attempt.attempt, datetime.now(UTC), failure=failure)
    return created


def extended(client: TestClient, created: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = client.post(f"{created['links']['self']}/extend", json=body)
    assert answer.status_code == 200, answer.text
    comparison: dict[str, Any] = answer.json()
    return comparison


def names(client: TestClient, created: dict[str, Any]) -> list[tuple[str, int]]:
    return [(job["arm"], job["seed"]) for job in planted.waiting(client, created)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"seeds": [1]}, [("none", 1), ("batch", 1)]),
        ({"seeds": 2}, [("none", 1), ("batch", 1)]),
        ({"arms": [{"name": "batch"}]}, [("batch", 1)]),
        ({"arms": [{"name": "batch", "norm": "batch"}]}, [("batch", 1)]),
        ({"seeds": [0]}, []),
        ({"seeds": [2]}, [("none", 2), ("batch", 2)]),
        ({}, []),
    ],
    ids=str,
)
def test_what_has_no_result_is_run_again_where_the_extension_names_it(
    client: TestClient, ended: dict[str, Any], body: dict[str, Any], expected: list[tuple[str, int]]
) -> None:
    extended(client, ended, **body)

    assert names(client, ended) == expected


def test_a_replaced_job_stays_as_a_single_job(client: TestClient, ended: dict[str, Any]) -> None:
    [old] = client.get("/jobs", params={"comparison_id": ended["id"], "status": "failed", "seed": 1}).json()[
        "items"
    ]
    etag = client.get(old["links"]["self"]).headers["ETag"]

    extended(client, ended, arms=[{"name": "batch"}])

    answer = client.get(old["links"]["self"], headers={"If-None-Match": etag})
    assert (answer.status_code, answer.json()) == (200, {**old, "comparison_id": None})
    assert client.delete(old["links"]["self"]).status_code == 200


@pytest.mark.slow
def test_no_reader_counts_the_old_runs(client: TestClient, ended: dict[str, Any]) -> None:
    """What was kept for the old runs is not used either, neither here nor by a client."""
    urls = [f"{ended['links']['self']}/{reader}" for reader in READERS]
    before = [client.get(url) for url in urls]
    etags = [answer.headers["ETag"] for answer in before]

    progress = extended(client, ended, seeds=[1])["progress"]
    for job in planted.waiting(client, ended):
        planted.end(client, job, 0.8)
    after = [client.get(url, headers={"If-None-Match": etag}) for url, etag in zip(urls, etags, strict=True)]

    assert (progress["queued"], progress["failed"], progress["cancelled"]) == (2, 1, 0)
    assert [answer.status_code for answer in (*before, *after)] == [200] * 2 * len(READERS)
    assert [answer.headers["ETag"] for answer in after if answer.headers["ETag"] in etags] == []


def test_the_summary_after_reruns_is_that_of_the_new_runs(client: TestClient, ended: dict[str, Any]) -> None:
    url = ended["links"]["summary"]
    before = client.get(url).json()

    extended(client, ended, seeds=[1])
    for job in planted.waiting(client, ended):
        planted.end(client, job, 0.8)
    after = client.get(url).json()

    assert [arm["n"] for arm in before["arms"]] == [1, 1]
    assert [arm["n"] for arm in after["arms"]] == [2, 2]
    assert "left_out" in {warning["code"] for warning in before["warnings"]}
    assert "left_out" not in {warning["code"] for warning in after["warnings"]}
    assert after["complete"]
