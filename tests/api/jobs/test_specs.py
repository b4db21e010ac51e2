"""What a job was asked for is a body that can be posted again."""

from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from models.specs.spec import TrainSpec
from service.store.tables import Job
from tests.api import planted, work
from tests.api.work import problem, store_spec, submitted

ASKED: dict[str, Any] = {
    "norm": "group",
    "groups": 4,
    "n_units": 64,
    "optimizer": "momentum",
    "momentum": 0.8,
    "learning_rate": 1e-3,
    "max_seconds": 60,
    "label": 'é, "quoted"',
    "tags": {"for": "a paper"},
    "priority": -3,
}


def repeated(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    """Post what a job was asked for, and return what the new job was asked for."""
    asked = client.get(job["links"]["spec"])
    answer = client.post("/jobs", content=asked.content, headers={"content-type": "application/json"})
    assert answer.status_code == 201, answer.text
    again: dict[str, Any] = client.get(answer.json()["links"]["spec"]).json()
    return again


@pytest.mark.parametrize("body", [{}, ASKED, {"norm": "weight", "init": True, "g_init": "one"}], ids=str)
def test_what_a_job_was_asked_for_can_be_posted_again(client: TestClient, body: dict[str, Any]) -> None:
    job = submitted(client, **body)

    asked = client.get(job["links"]["spec"]).json()

    usual: dict[str, Any] = {"label": None, "tags": {}, "priority": 0}
    spec = {name: value for name, value in body.items() if name not in usual}
    assert asked == {**TrainSpec(**spec).model_dump(), **usual, **body}
    assert repeated(client, job) == asked


def test_a_run_of_a_comparison_can_be_posted_again_alone(client: TestClient) -> None:
    body = {**planted.TWO_ARMS, "seeds": [7], "priority": 2}
    _, batch = planted.waiting(client, client.post("/comparisons", json=body).json())

    again = repeated(client, batch)

    assert (again["norm"], again["seed"], again["steps"], again["priority"]) == ("batch", 7, 100, 2)


def test_a_spec_of_an_older_release_gets_the_defaults_that_it_lacks(client: TestClient) -> None:
    job = submitted(client, norm="weight", n_units=64)
    with work.database(client).writing() as session:
        session.execute(update(Job).values(spec={"norm": "weight", "n_units": 64}))

    asked = client.get(job["links"]["spec"]).json()

    assert asked.items() >= TrainSpec(norm="weight", n_units=64).model_dump().items()
    assert repeated(client, job) == asked


def test_a_field_that_this_release_does_not_know_is_kept_and_refused(client: TestClient) -> None:
    job = submitted(client)
    store_spec(client, job["id"], color="red")

    asked = client.get(job["links"]["spec"])
    answer = client.post("/jobs", content=asked.content, headers={"content-type": "application/json"})

    assert (asked.status_code, asked.json()["color"]) == (200, "red")
    assert problem(answer) == (422, "validation-error", ["/color"])


def test_a_new_label_is_what_is_asked_for_now(client: TestClient) -> None:
    job = submitted(client, label="old")
    etag = client.get(job["links"]["spec"]).headers["etag"]

    same = client.get(job["links"]["spec"], headers={"if-none-match": etag})
    client.patch(job["links"]["self"], json={"label": "new"})
    changed = client.get(job["links"]["spec"], headers={"if-none-match": etag})

    assert (same.status_code, changed.status_code, changed.json()["label"]) == (304, 200, "new")


def test_a_job_that_there_is_not_has_no_spec(client: TestClient) -> None:
    assert problem(client.get(f"/jobs/job_{'0' * 32}/spec")) == (404, "job-not-found", [])
