"""Jobs are submitted, listed, relabelled, cancelled and deleted."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from models.data.digits import Digits
from models.specs.spec import TrainSpec
from tests.api import work
from tests.api.work import ids, problem, store_spec, submitted

CREATED = ("id", "created_at", "transitions", "links")


def test_an_empty_body_is_the_article_s_net_and_queued(client: TestClient) -> None:
    answer = client.post("/jobs", json={})

    job = answer.json()
    assert answer.status_code == 201
    assert {name: value for name, value in job.items() if name not in CREATED} == {
        **TrainSpec().model_dump(),
        "status": "queued",
        "status_reason": None,
        "label": None,
        "tags": {},
        "priority": 0,
        "started_at": None,
        "finished_at": None,
        "attempt": 0,
        "progress": {"step": 0, "steps": 1000, "percent": 0.0, "steps_per_second": None, "eta_seconds": None},
        "queue_position": None,
        "latest": None,
        "best": None,
        "failure": None,
        "warnings": [],
        "comparison_id": None,
        "arm": None,
        "torch_version": None,
        "cpu_capability": None,
        "kernels_sha256": None,
        "data_sha256": None,
        "init_digest": None,
        "data_digest": None,
        "weights_sha256": None,
    }


def test_a_created_job_is_found_where_location_says(client: TestClient) -> None:
    answer = client.post("/jobs", json={"norm": "weight", "init": True})

    job = answer.json()
    assert answer.headers["Location"] == f"/jobs/{job['id']}"
    assert client.get(answer.headers["Location"]).json() == {**job, "queue_position": 1}
    assert job["links"] == {
        "self": f"/jobs/{job['id']}",
        "spec": f"/jobs/{job['id']}/spec",
        "metrics": f"/jobs/{job['id']}/metrics",
        "plot.svg": f"/jobs/{job['id']}/plot.svg",
        "plot.png": f"/jobs/{job['id']}/plot.png",
        "events": f"/jobs/{job['id']}/events",
        "checkpoints": f"/jobs/{job['id']}/checkpoints",
        "predict": f"/jobs/{job['id']}/predict",
        "evaluation": f"/jobs/{job['id']}/evaluation",
        "misclassified.png": f"/jobs/{job['id']}/misclassified.png",
        "export": f"/jobs/{job['id']}/export",
        "init-report": f"/jobs/{job['id']}/init-report",
        "telemetry": f"/jobs/{job['id']}/telemetry",
        "cancel": f"/jobs/{job['id']}/cancel",
    }


def test_an_id_is_opaque_and_a_time_is_utc(client: TestClient) -> None:
    job = submitted(client)

    assert re.fullmatch(r"job_[0-9a-f]{12}7[0-9a-f]{19}", job["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", job["created_at"])
    assert abs(datetime.fromisoformat(job["created_at"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert job["transitions"] == [{"status": "queued", "at": job["created_at"], "reason": "submitted"}]


def test_a_spec_is_answered_as_it_was_given(client: TestClient) -> None:
    spec = {
        **TrainSpec().model_dump(),
        "norm": "batch",
        "n_units": 64,
        "learning_rate": 1,
        "seed": 2**53 - 1,
        "steps": 7,
        "label": "a line",
        "tags": {"group": "a b", "__proto__": "x"},
    }

    job = submitted(client, **spec)

    assert {name: job[name] for name in spec} == spec


def test_a_trained_job_says_how_it_went(finished: dict[str, Any], digits: Digits) -> None:
    assert (finished["status"], finished["status_reason"], finished["attempt"]) == (
        "succeeded",
        "finished",
        1,
    )
    assert [(entry["status"], entry["reason"]) for entry in finished["transitions"]] == [
        ("queued", "submitted"),
        ("running", "claimed"),
        ("succeeded", "finished"),
    ]
    assert (finished["progress"]["percent"], finished["progress"]["eta_seconds"]) == (100.0, None)
    assert (finished["latest"]["step"], finished["latest"]["non_finite"]) == (20, [])
    assert finished["latest"]["test_accuracy"] > 0.2
    assert (finished["data_sha256"], finished["queue_position"]) == (digits.sha256, None)


FILTERS = {
    "": "edcba",
    "sort=created_at": "abcde",
    "status=cancelled": "b",
    "status=cancelled&status=queued": "edcba",
    "status=running": "",
    "norm=weight": "ca",
    "norm=weight&init=true": "c",
    "init=false": "edba",
    "seed=3": "d",
    "label=b": "b",
    "label=B": "",
    "tag=group:x": "ed",
    "tag=group:x&tag=2026:%3Cb%3E": "e",
    "tag=group:": "c",
    "tag=group:X": "",
}


@pytest.mark.slow
def test_a_list_is_filtered(client: TestClient) -> None:
    submitted(client, label="a", norm="weight")
    cancelled = submitted(client, label="b")
    submitted(client, label="c", norm="weight", init=True, tags={"group": ""})
    submitted(client, label="d", seed=3, tags={"group": "x"})
    submitted(client, label="e", tags={"group": "x", "2026": "<b>"})
    client.post(f"/jobs/{cancelled['id']}/cancel")

    found = {query: labels(client.get(f"/jobs?{query}")) for query in FILTERS}

    assert found == FILTERS


def labels(answer: httpx.Response) -> str:
    return "".join(job["label"] for job in answer.json()["items"])


@pytest.mark.slow
def test_a_list_shows_the_same_job_as_its_own_page(finished: dict[str, Any], client: TestClient) -> None:
    assert client.get("/jobs").json() == {"items": [finished], "next_cursor": None}


@pytest.fixture
def evaluated(client: TestClient, digits: Digits) -> list[str]:
    """Ids by test accuracy, the best first: trained long, trained short, twice not at all."""
    short = work.trained(client, digits, norm="batch", steps=1)
    long = work.trained(client, digits, norm="batch", steps=60)
    untrained = [submitted(client)["id"] for _ in range(2)]
    return [long["id"], short["id"], *reversed(untrained)]


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 3, 4])
def test_a_list_is_sorted_by_test_accuracy(client: TestClient, evaluated: list[str], limit: int) -> None:
    best_first = walk(client, f"/jobs?sort=-test_accuracy&limit={limit}", [])
    worst_first = walk(client, f"/jobs?sort=test_accuracy&limit={limit}", [])

    assert (best_first, worst_first) == (evaluated, evaluated[::-1])


def walk(client: TestClient, url: str, found: list[str]) -> list[str]:
    """Follow the Link headers; answer all ids."""
    answer = client.get(url)
    following = answer.links.get("next", {}).get("url")
    return walk(client, following, found + ids(answer)) if following else found + ids(answer)


@pytest.mark.slow
def test_pages_by_cursor_cover_each_job_once_while_jobs_arrive(client: TestClient) -> None:
    made = [submitted(client, tags={"a": "b&c"})["id"] for _ in range(5)]

    first = client.get("/jobs", params={"limit": 2, "tag": "a:b&c"})
    submitted(client, tags={"a": "b&c"})
    cursor = first.json()["next_cursor"]
    second = client.get("/jobs", params={"limit": 2, "tag": "a:b&c", "cursor": cursor})
    third = client.get(second.links["next"]["url"])

    assert ids(first) + ids(second) + ids(third) == made[::-1]
    assert (third.json()["next_cursor"], third.links) == (None, {})


def test_pages_keep_every_value_of_a_repeated_filter(client: TestClient) -> None:
    made = [submitted(client)["id"] for _ in range(3)]
    client.post(f"/jobs/{made[0]}/cancel")

    found = walk(client, "/jobs?status=queued&status=cancelled&limit=1", [])

    assert found == made[::-1]


@pytest.mark.parametrize("place", ["job", "list"])
def test_a_client_that_has_the_newest_is_told_so(client: TestClient, place: str) -> None:
    url = {"job": f"/jobs/{submitted(client)['id']}", "list": "/jobs"}[place]
    etag = client.get(url).headers["ETag"]

    same = client.get(url, headers={"If-None-Match": f'"other", {etag}'})
    client.patch(f"/jobs/{ids(client.get('/jobs'))[0]}", json={"label": "new"})
    changed = client.get(url, headers={"If-None-Match": etag})

    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
    assert (changed.status_code, changed.headers["ETag"] != etag) == (200, True)


def test_a_place_in_the_queue_is_part_of_the_etag(client: TestClient) -> None:
    first, second = submitted(client), submitted(client)
    before = client.get(f"/jobs/{second['id']}")
    client.post(f"/jobs/{first['id']}/cancel")

    after = client.get(f"/jobs/{second['id']}", headers={"If-None-Match": before.headers["ETag"]})

    assert (before.json()["queue_position"], after.status_code) == (2, 200)
    assert after.json()["queue_position"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ({"norm": "instance", "groups": 3}, {"norm": "instance", "groups": 3}),
        ({"learning_rate": -1.0, "n_units": 10**6}, {"learning_rate": -1.0, "n_units": 10**6}),
        ({"norm": "batch", "batch_size": 1}, {"norm": "batch", "batch_size": 1}),
        ({"dropout": 0.5, "id": "job_0", "status": "lost"}, {}),
    ],
    ids=["unknown norm", "out of bounds", "broken rule", "unknown fields"],
)
def test_a_job_is_shown_whose_stored_spec_this_release_would_refuse(
    client: TestClient, stored: dict[str, Any], shown: dict[str, Any]
) -> None:
    job = submitted(client, label="old")
    store_spec(client, job["id"], **stored)

    answers = [client.get("/jobs"), client.patch(f"/jobs/{job['id']}", json={"label": "old"})]
    cancelled = client.post(f"/jobs/{job['id']}/cancel")

    assert [answer.json() for answer in answers] == [
        {"items": [{**job, **shown, "queue_position": 1}], "next_cursor": None},
        {**job, **shown, "queue_position": 1},
    ]
    assert (cancelled.status_code, cancelled.json()) == (200, client.get(f"/jobs/{job['id']}").json())
    assert client.delete(f"/jobs/{job['id']}").status_code == 200


@pytest.mark.parametrize(
    ("changes", "label", "tags"),
    [
        ({"label": "new"}, "new", {"a": "b"}),
        ({"label": None}, None, {"a": "b"}),
        ({"tags": {"c": ""}}, "old", {"c": ""}),
        ({"tags": {}}, "old", {}),
        ({"label": "new", "tags": {}}, "new", {}),
        ({}, "old", {"a": "b"}),
    ],
    ids=["label", "no label", "tags", "no tags", "both", "nothing"],
)
def test_a_patch_changes_what_it_names(
    client: TestClient, changes: dict[str, Any], label: str | None, tags: dict[str, str]
) -> None:
    job = submitted(client, label="old", tags={"a": "b"})

    answer = client.patch(f"/jobs/{job['id']}", json=changes)

    changed = {**job, "label": label, "tags": tags, "queue_position": 1}
    assert (answer.status_code, answer.json()) == (200, changed)
    assert client.get(f"/jobs/{job['id']}").json() == answer.json()


LABELS = (
    "<script>alert(1)</script>",
    "=cmd()",
    "'; DROP TABLE jobs; --",
    "😀 \u202eéü",
    " ",
    "../..",
    "%00",
    "a" * 80,
)


@pytest.mark.slow
def test_a_label_is_data(client: TestClient) -> None:
    made = [submitted(client, label=label, tags={"a": label})["id"] for label in LABELS]

    stored = [client.get(f"/jobs/{job_id}").json() for job_id in made]
    found = [ids(client.get("/jobs", params={"label": label, "tag": f"a:{label}"})) for label in LABELS]

    assert [(job["label"], job["tags"]) for job in stored] == [(label, {"a": label}) for label in LABELS]
    assert found == [[job_id] for job_id in made]


def test_a_value_that_no_column_can_hold_is_refused(client: TestClient) -> None:
    label, tag = client.get("/jobs?label=%00"), client.get("/jobs?tag=a:%00")

    assert (problem(label), problem(tag)) == (
        (422, "validation-error", ["/label"]),
        (422, "validation-error", ["/tag"]),
    )
