"""A request that is sent again with its key creates nothing again."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from tests.api.work import ids, problem

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


def test_an_extension_sent_again_adds_nothing(client: TestClient) -> None:
    made, other = (client.post("/comparisons", json={"preset": "article", "seeds": 1}) for _ in range(2))
    url, key = f"{made.headers['Location']}/extend", {"Idempotency-Key": "k"}

    first = client.post(url, json={"seeds": 2}, headers=key)
    client.post(url, json={"seeds": 3})
    again = client.post(url, json={"seeds": 2}, headers=key)

    assert (first.status_code, first.json()["seeds"], again.status_code) == (200, [0, 1], 200)
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Location" not in first.headers.keys() | again.headers.keys()
    assert client.get(made.headers["Location"]).json()["jobs"] == 15
    reused = client.post(f"{other.headers['Location']}/extend", json={"seeds": 2}, headers=key)
    assert problem(reused) == (422, "idempotency-key-reused", [])


def test_a_refused_request_does_not_use_up_its_key(client: TestClient) -> None:
    client.post("/jobs", json={"steps": 0}, headers={"Idempotency-Key": "k"})

    answer = client.post("/jobs", json={}, headers={"Idempotency-Key": "k"})

    assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (201, False)


@pytest.mark.parametrize("key", ["", " ", "k" * 256, "k k", "schlüssel", "k\x7f"], ids=repr)
def test_a_key_that_is_not_usable_is_refused(sqlite_client: TestClient, key: str) -> None:
    answer = sqlite_client.post("/jobs", json=BODY, headers={"Idempotency-Key": key.encode()})

    assert problem(answer) == (400, "idempotency-key-invalid", [])
    assert ids(sqlite_client.get("/jobs")) == []
