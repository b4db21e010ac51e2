"""What an ended job has stored may be kept; what still grows may not."""

from typing import Any

import pytest
from starlette.testclient import TestClient

STORED = (
    "/metrics",
    "/metrics?format=csv",
    "/metrics?format=ndjson",
    "/telemetry",
    "/init-report",
    "/checkpoints",
    "/checkpoints/best",
)


@pytest.mark.parametrize("rest", STORED)
def test_what_an_ended_job_has_stored_never_changes(
    trained: TestClient, job: dict[str, Any], rest: str
) -> None:
    answer = trained.get(f"/jobs/{job['id']}{rest}")

    assert answer.headers["Cache-Control"] == "private, max-age=86400, immutable"


@pytest.mark.parametrize("rest", STORED[:-1])
def test_what_a_job_stores_may_grow_until_it_ends(client: TestClient, rest: str) -> None:
    job = client.post("/jobs", json={}).json()

    assert client.get(f"/jobs/{job['id']}{rest}").headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("rest", ["/metrics", "/telemetry", "/init-report", "/checkpoints/500"])
def test_a_client_that_has_it_gets_304(trained: TestClient, job: dict[str, Any], rest: str) -> None:
    url = f"/jobs/{job['id']}{rest}"
    first = trained.get(url)

    again = trained.get(url, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]


def test_the_etag_of_a_checkpoint_names_its_step(trained: TestClient, job: dict[str, Any]) -> None:
    answer = trained.get(f"/jobs/{job['id']}/checkpoints/500")

    assert answer.headers["ETag"] == f'"500-{answer.json()["weights_sha256"]}"'
