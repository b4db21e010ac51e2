"""A request that is sent again with its key creates nothing again."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.specs.comparison import ComparisonSpec
from models.specs.strict import StrictModel
from service.api.comparisons.schemas import ComparisonExtension
from service.api.jobs.schemas import JobSubmission
from tests.api.work import ids, problem, with_key

BODY = {"norm": "batch", "label": "once"}


def test_the_same_request_again_is_answered_the_same(client: TestClient) -> None:
    first = client.post("/jobs", json=BODY, headers={"Idempotency-Key": "k"})
    client.patch(first.headers["Location"], json={"label": "changed since"})

    second = client.post("/jobs", json=BODY, headers={"Idempotency-Key": "k"})

    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["Location"] == first.headers["Location"]
    assert ("Idempotency-Replayed" in first.headers, second.headers["Idempotency-Replayed"]) == (
        False,
        "true",
    )
    assert ids(client.get("/jobs")) == [first.json()["id"]]


def test_another_request_with_the_same_key_is_refused(client: TestClient) -> None:
    first = client.post("/jobs", json=BODY, headers={"Idempotency-Key": "k"})

    answer = client.post("/jobs", json={**BODY, "seed": 1}, headers={"Idempotency-Key": "k"})

    assert problem(answer) == (422, "idempotency-key-reused", [])
    assert ids(client.get("/jobs")) == [first.json()["id"]]


@pytest.mark.parametrize(
    ("schema", "body", "digest"),
    [
        (JobSubmission, {"norm": "weight", "init": True, "tags": {"a": "b"}}, "4dca5926"),
        (
            ComparisonSpec,
            {
                "preset": "article",
                "base": {"steps": 10},
                "arms": [{"name": "x", "norm": "batch"}],
                "seeds": 2,
            },
            "865b6576",
        ),
        (ComparisonExtension, {"arms": [{"name": "x", "norm": "batch"}], "seeds": [3]}, "9306e343"),
    ],
    ids=["job", "comparison", "extension"],
)
def test_a_key_of_a_release_without_other_nets_stays_valid(
    schema: type[StrictModel], body: dict[str, Any], digest: str
) -> None:
    request = schema.model_validate(body)

    text = request.model_dump_json(exclude=request.unwritten())

    assert hashlib.sha256(text.encode()).hexdigest().startswith(digest)


@pytest.mark.parametrize("change", [{"net": "conv"}, {"net": "conv", "stride": 1}], ids=str)
def test_a_key_is_for_one_net(client: TestClient, change: dict[str, Any]) -> None:
    client.post("/jobs", json={**BODY, "net": "conv", "kernel_size": 3}, headers={"Idempotency-Key": "k"})

    answer = client.post("/jobs", json={**BODY, **change}, headers={"Idempotency-Key": "k"})

    assert problem(answer) == (422, "idempotency-key-reused", [])


def test_other_keys_create_other_jobs(client: TestClient) -> None:
    made = [client.post("/jobs", json=BODY, headers={"Idempotency-Key": key}).json()["id"] for key in "kK"]

    assert ids(client.get("/jobs")) == made[::-1]


def test_twenty_at_once_create_one_job(client: TestClient) -> None:
    with ThreadPoolExecutor(20) as senders:
        sent = [
            senders.submit(client.post, "/jobs", json=BODY, headers={"Idempotency-Key": "k"})
            for _ in range(20)
        ]

    answers = [answer.result() for answer in sent]
    replayed = sum(answer.headers.get("Idempotency-Replayed") == "true" for answer in answers)
    assert ({answer.status_code for answer in answers}, replayed) == ({201}, 19)
    assert {answer.content for answer in answers} == {answers[0].content}
    assert ids(client.get("/jobs")) == [answers[0].json()["id"]]


def test_a_refused_request_does_not_use_up_its_key(client: TestClient) -> None:
    client.post("/jobs", json={"steps": 0}, headers={"Idempotency-Key": "k"})

    answer = client.post("/jobs", json={}, headers={"Idempotency-Key": "k"})

    assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (201, False)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["", " ", "k" * 256, "k k", "schlüssel", "k\x7f"], ids=repr)
@pytest.mark.parametrize("url", ["/jobs", "/jobs?dry_run=true"])
def test_a_key_that_is_not_usable_is_refused(sqlite_client: TestClient, url: str, key: str) -> None:
    answer = sqlite_client.post(url, json=BODY, headers={"Idempotency-Key": key.encode()})

    assert problem(answer) == (400, "idempotency-key-invalid", [])
    assert ids(sqlite_client.get("/jobs")) == []


@pytest.fixture
def comparison(client: TestClient) -> str:
    body = {"arms": [{"name": "a"}], "seeds": 1, "base": {"steps": 5}}
    found: str = client.post("/comparisons", json=body).json()["id"]
    return found


def extended(client: TestClient, comparison: str, key: str, **body: Any) -> Any:
    headers = {"Idempotency-Key": key}
    return client.post(f"/comparisons/{comparison}/extend", json=body, headers=headers)


def test_an_extension_that_is_sent_again_adds_nothing(client: TestClient, comparison: str) -> None:
    first = extended(client, comparison, "k", seeds=3)
    extended(client, comparison, "another", seeds=4)

    second = extended(client, comparison, "k", seeds=3.0)

    assert (first.status_code, first.json()["jobs"]) == (200, 3)
    assert (second.status_code, second.content) == (200, first.content)
    assert [answer.headers.get("Idempotency-Replayed") for answer in (first, second)] == [None, "true"]
    assert [answer.headers.get("Location") for answer in (first, second)] == [None, None]
    assert client.get(f"/comparisons/{comparison}").json()["jobs"] == 4


def test_an_arm_that_is_sent_again_is_not_repeated(client: TestClient, comparison: str) -> None:
    arm = {"name": "b", "norm": "layer"}

    answers = [extended(client, comparison, "k", arms=[arm]) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content


def test_a_key_is_for_one_extension_of_one_comparison(client: TestClient, comparison: str) -> None:
    body = {"arms": [{"name": "a"}], "seeds": 1, "base": {"steps": 5}}
    other = client.post("/comparisons", json=body, headers={"Idempotency-Key": "k"}).json()["id"]
    extended(client, comparison, "k", seeds=2)

    refused = [extended(client, comparison, "k", seeds=3), extended(client, other, "k", seeds=2)]

    assert [problem(answer) for answer in refused] == [(422, "idempotency-key-reused", [])] * 2
    assert client.get(f"/comparisons/{other}").json()["jobs"] == 1


def test_a_refused_extension_does_not_use_up_its_key(client: TestClient, comparison: str) -> None:
    refused = extended(client, comparison, "k", arms=[{"name": "b", "steps": 0}])

    answer = extended(client, comparison, "k", seeds=2)

    assert (refused.status_code, answer.status_code, answer.json()["jobs"]) == (422, 200, 2)


def test_twenty_extensions_at_once_are_one(client: TestClient, comparison: str) -> None:
    with ThreadPoolExecutor(20) as senders:
        sent = [senders.submit(extended, client, comparison, "k", seeds=3) for _ in range(20)]

    answers = [answer.result() for answer in sent]
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert client.get(f"/comparisons/{comparison}").json()["jobs"] == 3


def test_clients_with_other_keys_never_see_a_response(sqlite_client: TestClient) -> None:
    sent = [{"Idempotency-Key": "1", **with_key(sqlite_client)} for _ in range(2)]

    mine, other, again = (sqlite_client.post("/jobs", json={}, headers=sent[n]) for n in (0, 1, 0))

    assert (mine.status_code, other.status_code) == (201, 201)
    assert len({mine.json()["id"], other.json()["id"]}) == 2
    assert (again.content, again.headers["Idempotency-Replayed"]) == (mine.content, "true")
