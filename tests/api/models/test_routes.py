"""Names for nets: pointed, listed, predicted with, and followed while requests are on their way."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api import work
from tests.api.conftest import serving
from tests.pages import ROOT

STEPS = (500, 1000)
PIXELS = {"images": [[0.5] * 784], "return": ["logits"]}


def point(client: TestClient, name: str, job: dict[str, Any], checkpoint: Any = "best") -> Any:
    return client.put(f"/models/{name}", json={"job": job["id"], "checkpoint": checkpoint})


def test_a_name_is_pointed_at_a_checkpoint(copied: TestClient, job: dict[str, Any]) -> None:

    answers = [point(copied, "digits", job, step) for step in (500, 500, "latest", 1000.0, 500)]

    assert [answer.status_code for answer in answers] == [201, 200, 201, 200, 201]
    assert [answer.headers.get("Location") for answer in answers[:2]] == ["/models/digits", None]
    shown = copied.get("/models/digits")
    assert shown.json() == answers[-1].json()
    assert [(each["version"], each["step"]) for each in shown.json()["versions"]] == [
        (3, 500),
        (2, 1000),
        (1, 500),
    ]
    assert {name: shown.json()[name] for name in ("name", "version", "job_id", "step", "links")} == {
        "name": "digits",
        "version": 3,
        "job_id": job["id"],
        "step": 500,
        "links": {
            "self": "/models/digits",
            "predict": "/models/digits/predict",
            "job": f"/jobs/{job['id']}",
        },
    }
    known = copied.get("/models/digits", headers={"If-None-Match": shown.headers["ETag"]})
    assert known.status_code == 304


@pytest.mark.slow
def test_a_name_predicts_as_its_job_does_and_says_so(copied: TestClient, job: dict[str, Any]) -> None:
    [point(copied, "digits", job, step) for step in STEPS]

    named = [copied.post(f"/models/digits/predict{query}", json=PIXELS) for query in ("?version=1", "")]

    direct = [copied.post(f"/jobs/{job['id']}/predict?checkpoint={step}", json=PIXELS) for step in STEPS]
    assert [answer.json()["predictions"] for answer in named] == [
        answer.json()["predictions"] for answer in direct
    ]
    assert [answer.json()["model"] for answer in named] == [
        {**answer.json()["model"], "name": "digits", "version": version}
        for version, answer in enumerate(direct, 1)
    ]


def test_a_picture_of_a_form_is_read_with_a_name(copied: TestClient, job: dict[str, Any]) -> None:
    point(copied, "digits", job)

    answer = copied.post("/models/digits/predict", files={"file": (ROOT / "docs/seven.png").read_bytes()})

    assert answer.json()["model"]["name"] == "digits"
    assert answer.json()["predictions"][0]["intake"]["polarity"] == "dark_on_light"


def test_a_name_is_followed_at_once_by_the_process_that_changed_it(
    copied: TestClient, job: dict[str, Any]
) -> None:
    found = []
    for step in STEPS:
        point(copied, "digits", job, step)
        found.append(copied.post("/models/digits/predict", json=PIXELS).json()["model"]["step"])
    copied.delete("/models/digits").raise_for_status()

    assert found == [*STEPS]
    gone = copied.post("/models/digits/predict", json=PIXELS)
    assert work.problem(gone) == (404, "model-not-found", [])
    assert copied.get("/models").json() == {"items": [], "next_cursor": None}


@pytest.mark.slow
def test_a_name_that_is_pointed_elsewhere_loses_and_mixes_no_request(
    copied: TestClient, job: dict[str, Any]
) -> None:
    expected = {
        step: copied.post(f"/jobs/{job['id']}/predict?checkpoint={step}", json=PIXELS).json()["predictions"]
        for step in STEPS
    }
    point(copied, "digits", job, STEPS[0])

    def repoint() -> dict[int, int]:
        answers = [point(copied, "digits", job, step).json() for step in islice(cycle(STEPS), 20)]
        return {answer["version"]: answer["step"] for answer in answers}

    def predict() -> Iterator[dict[str, Any]]:
        while not repointing.done():
            answer = copied.post("/models/digits/predict", json=PIXELS)
            assert answer.status_code == 200, answer.text
            yield answer.json()

    with ThreadPoolExecutor(4) as threads:
        repointing = threads.submit(repoint)
        found = [each for sent in threads.map(lambda _: list(predict()), range(3)) for each in sent]

    steps_of = repointing.result()
    assert len({each["model"]["version"] for each in found}) > 1
    assert {(each["model"]["version"], each["model"]["step"]) for each in found} <= {*steps_of.items()}
    assert [each["predictions"] for each in found] == [expected[each["model"]["step"]] for each in found]


@pytest.mark.slow
def test_another_process_follows_a_name(copied: TestClient, job: dict[str, Any], tmp_path: Path) -> None:
    point(copied, "digits", job, 500)
    with serving(str(work.database(copied).url), tmp_path) as other:

        def predicted() -> tuple[int, int]:
            model = other.post("/models/digits/predict", json=PIXELS).json()["model"]
            return model["version"], model["step"]

        assert predicted() == (1, 500)
        point(copied, "digits", job, 1000)
        work.poll(lambda: predicted() == (2, 1000))


def test_what_a_model_serves_cannot_be_deleted(copied: TestClient, job: dict[str, Any]) -> None:
    point(copied, "digits", job)

    answer = copied.delete(f"/jobs/{job['id']}")

    assert work.problem(answer) == (409, "job-in-use", [])
    assert "digits" in answer.json()["detail"]
    assert copied.delete("/models/digits").json() == {"name": "digits", "versions": 1}
    assert copied.delete(f"/jobs/{job['id']}").status_code == 200


def test_an_older_version_can_be_deleted(copied: TestClient, job: dict[str, Any]) -> None:
    [point(copied, "digits", job, step) for step in STEPS]

    answers = [copied.delete(f"/models/digits/versions/{version}") for version in (2, 1, 1)]

    assert work.problem(answers[0]) == (409, "version-current", [])
    assert answers[1].json() == {"name": "digits", "version": 1}
    assert work.problem(answers[2]) == (404, "version-not-found", [])
    gone = copied.post("/models/digits/predict?version=1", json=PIXELS)
    assert work.problem(gone) == (404, "version-not-found", [])


def test_names_are_listed_page_by_page(copied: TestClient, job: dict[str, Any]) -> None:
    [point(copied, name, job) for name in ("a", "B", "c.d_e-9")]

    first = copied.get("/models?limit=2")
    second = copied.get(first.links["next"]["url"])

    assert [each["name"] for page in (first, second) for each in page.json()["items"]] == [
        "c.d_e-9",
        "B",
        "a",
    ]


@pytest.mark.parametrize(
    "name", ["job_1", "JOB_x", "cmp_1", "stats", "Versions", "infer", "ready", "index", "config"]
)
def test_a_reserved_name_is_refused(trained: TestClient, job: dict[str, Any], name: str) -> None:
    assert work.problem(point(trained, name, job)) == (422, "validation-error", ["/model_name"])


@pytest.mark.parametrize("name", ["1a", "_a", "a b", "ä", "a%2Fb", "a" * 65, "a%00", ".", "-"])
def test_another_name_is_refused(trained: TestClient, job: dict[str, Any], name: str) -> None:
    answer = point(trained, name, job)

    assert answer.status_code in {404, 405, 422}
    assert trained.get("/models").json()["items"] == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, (422, "validation-error", ["/job"])),
        ({"job": 7}, (422, "validation-error", ["/job"])),
        ({"job": "x", "step": 7}, (422, "validation-error", ["/step"])),
        ({"job": "x", "checkpoint": "newest"}, (422, "validation-error", ["/checkpoint"])),
        ({"job": "x", "checkpoint": "500"}, (422, "validation-error", ["/checkpoint"])),
        ({"job": "x", "checkpoint": True}, (422, "validation-error", ["/checkpoint"])),
        ({"job": "x", "checkpoint": 0}, (422, "validation-error", ["/checkpoint"])),
        ({"job": "x", "checkpoint": 10**9}, (422, "validation-error", ["/checkpoint"])),
        ({"job": "x"}, (404, "job-not-found", ["/job"])),
        ({"job": f"job_{'0' * 32}"}, (404, "job-not-found", ["/job"])),
    ],
    ids=str,
)
def test_a_wrong_target_is_refused(trained: TestClient, body: Any, problem: Any) -> None:
    assert work.problem(trained.put("/models/digits", json=body)) == problem


def test_a_checkpoint_that_is_not_there_is_not_found(trained: TestClient, job: dict[str, Any]) -> None:
    answer = point(trained, "digits", job, 7)

    assert work.problem(answer) == (404, "checkpoint-not-found", ["/checkpoint"])


def test_a_job_without_a_checkpoint_is_not_ready(sqlite_client: TestClient) -> None:
    job = work.submitted(sqlite_client)

    assert work.problem(point(sqlite_client, "digits", job)) == (409, "model-not-ready", [])


def test_a_name_is_no_job(copied: TestClient, job: dict[str, Any]) -> None:
    point(copied, "digits", job)
    copied.post("/models/digits/predict", json=PIXELS).raise_for_status()

    answers = [
        copied.post("/jobs/digits/predict", json=PIXELS),
        copied.post("/jobs/digits/predict?checkpoint=1", json=PIXELS),
        copied.post(f"/models/{job['id']}/predict", json=PIXELS),
    ]

    codes = ["job-not-found", "job-not-found", "model-not-found"]
    assert [work.problem(answer) for answer in answers] == [(404, code, []) for code in codes]
