"""Webhooks: made, listed, tested and deleted; deliveries: listed, read and sent again."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from service.store import clock, deliveries, webhooks
from service.store.deliveries import DeliveryOutcome
from service.store.ends import make_deliveries
from tests.api import work

URL = "https://hooks.example.org:8443/normserve?token=1"


def made(client: TestClient, **body: Any) -> Any:
    answer = client.post("/webhooks", json={"url": URL, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


def end_of_attempt(client: TestClient, status: int | None, error: str | None) -> None:
    """Have one attempt of every delivery that is due end so."""
    with work.database(client).writing() as session:
        now = clock.now(session)
        claimed = deliveries.claim_due(session, {}, 10, now)
        deliveries.record(session, [DeliveryOutcome(each, status, error) for each in claimed], [5.0] * 9, now)


def test_a_webhook_shows_its_secret_once(client: TestClient) -> None:
    answer = client.post("/webhooks", json={"url": URL, "label": "=chat"})
    new = answer.json()

    assert (answer.status_code, answer.headers["Location"]) == (201, f"/webhooks/{new['id']}")
    assert new["secret"].startswith("whsec_")
    assert {name: new[name] for name in ("url", "events", "label", "disabled_at", "links")} == {
        "url": URL,
        "events": ["job.ended", "comparison.ended"],
        "label": "=chat",
        "disabled_at": None,
        "links": {
            "self": f"/webhooks/{new['id']}",
            "deliveries": f"/webhooks/{new['id']}/deliveries",
            "test": f"/webhooks/{new['id']}/test",
        },
    }
    shown = client.get(f"/webhooks/{new['id']}")
    assert shown.json() == {name: value for name, value in new.items() if name != "secret"}
    assert client.get("/webhooks").json() == {"items": [shown.json()], "next_cursor": None}
    known = client.get(f"/webhooks/{new['id']}", headers={"If-None-Match": shown.headers["ETag"]})
    assert known.status_code == 304


def test_a_repeated_request_makes_one_webhook(client: TestClient) -> None:
    answers = [
        client.post("/webhooks", json={"url": URL}, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]

    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert len(client.get("/webhooks").json()["items"]) == 1


def test_lists_are_read_page_by_page(sqlite_client: TestClient) -> None:
    ids = [made(sqlite_client)["id"] for _ in range(3)]
    pings = [sqlite_client.post(f"/webhooks/{ids[0]}/test").json()["id"] for _ in range(3)]

    for path, expected in (("/webhooks", ids), (f"/webhooks/{ids[0]}/deliveries", pings)):
        first = sqlite_client.get(f"{path}?limit=2")
        second = sqlite_client.get(first.links["next"]["url"])
        found = [each["id"] for page in (first, second) for each in page.json()["items"]]
        assert found == expected[::-1]


def test_a_ping_shows_how_it_went_and_is_sent_again(client: TestClient) -> None:
    here = f"/webhooks/{made(client)['id']}"
    pings = [client.post(f"{here}/test", headers={"Idempotency-Key": "k"}) for _ in range(2)]
    place = pings[0].headers["Location"]
    assert (pings[0].status_code, pings[0].json()) == (201, pings[1].json())

    end_of_attempt(client, 500, "the receiver responded 500")
    failed = client.get(place).json()
    again = client.post(f"{place}/redeliver").json()
    end_of_attempt(client, 204, None)
    delivered = client.get(place).json()

    assert failed["payload"] == pings[0].json()["payload"]
    assert (failed["type"], failed["payload"]["data"]) == ("ping", {"webhook_id": here.split("/")[2]})
    facts = ("state", "attempts", "last_status", "last_error")
    assert [tuple(each[name] for name in facts) for each in (pings[0].json(), failed, again, delivered)] == [
        ("waiting", 0, None, None),
        ("waiting", 1, 500, "the receiver responded 500"),
        ("waiting", 1, 500, "the receiver responded 500"),
        ("delivered", 2, 204, None),
    ]
    assert again["next_attempt_at"] < failed["next_attempt_at"]
    assert (delivered["next_attempt_at"], delivered["delivered_at"] is None) == (None, False)
    found = [
        client.get(f"{here}/deliveries?state={state}").json()["items"] for state in ("failed", "delivered")
    ]
    assert found == [[], [delivered]]
    assert client.get(f"{here}/deliveries?state=failed&state=delivered").json()["items"] == [delivered]


def test_an_ended_job_is_announced_to_the_webhooks_that_want_it(client: TestClient) -> None:
    wanting, other = made(client, events=["job.ended"]), made(client, events=["comparison.ended"])
    job = work.submitted(client)
    client.post(f"/jobs/{job['id']}/cancel").raise_for_status()
    client.delete(f"/jobs/{job['id']}").raise_for_status()
    with work.database(client).writing() as session:
        make_deliveries(session, clock.now(session))

    shown = [client.get(each["links"]["deliveries"]).json()["items"] for each in (wanting, other)]

    assert [len(items) for items in shown] == [1, 0]
    data = shown[0][0]["payload"]["data"]
    assert (shown[0][0]["type"], data["id"], data["status"]) == ("job.ended", job["id"], "cancelled")


def test_a_webhook_whose_receiver_is_gone_is_disabled(client: TestClient) -> None:
    here = f"/webhooks/{made(client)['id']}"
    ping = client.post(f"{here}/test").headers["Location"]

    end_of_attempt(client, 410, "the receiver responded 410")

    assert client.get(here).json()["disabled_at"] is not None
    assert client.get(ping).json()["state"] == "failed"
    refused = [client.post(path) for path in (f"{here}/test", f"{ping}/redeliver")]
    assert [work.problem(answer) for answer in refused] == [(409, "webhook-disabled", [])] * 2


def test_a_deleted_webhook_is_gone_with_its_deliveries(client: TestClient) -> None:
    new, kept = made(client), made(client)
    ping = client.post(new["links"]["test"]).headers["Location"]

    answer = client.delete(new["links"]["self"])

    assert answer.json() == {"id": new["id"]}
    gone = (*new["links"].values(), ping)
    assert {work.problem(client.get(path))[:2] for path in gone if not path.endswith("test")} == {
        (404, "webhook-not-found")
    }
    assert work.problem(client.post(new["links"]["test"])) == (404, "webhook-not-found", [])
    other = client.get(f"{kept['links']['deliveries']}/{ping.split('/')[-1]}")
    assert work.problem(other) == (404, "delivery-not-found", [])


def test_there_are_at_most_sixteen(sqlite_client: TestClient) -> None:
    for _ in range(webhooks.MOST_WEBHOOKS):
        made(sqlite_client)

    answer = sqlite_client.post("/webhooks", json={"url": URL})

    assert work.problem(answer) == (409, "too-many-webhooks", [])


@pytest.mark.parametrize(
    "url",
    [
        *("", "hooks.example.org", "ftp://example.org/", "file:///etc/passwd", "https://", "https:///x"),
        *("https://user:pass@example.org/", "https://@example.org/", "https://example.org/#x"),
        *(
            "https://exa mple.org/",
            "https://example.org/a b",
            "https://example.org/\r\nX: y",
            "https://ä.org/",
        ),
        *("https://example.org:0/", "https://example.org:65536/", "https://example.org:/", "https://[::1]/"),
        *("https://-x.org/", "https://x..org/", f"https://{'x' * 64}.org/", f"https://x.org/{'x' * 2000}"),
        *("https://example.org\\@evil.org/", "javascript:alert(1)", 7, None),
    ],
)
def test_another_url_is_refused(trained: TestClient, url: Any) -> None:
    assert work.problem(trained.post("/webhooks", json={"url": url})) == (422, "validation-error", ["/url"])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/url"),
        ({"url": URL, "events": []}, "/events"),
        ({"url": URL, "events": ["ping"]}, "/events/0"),
        ({"url": URL, "events": "job.ended"}, "/events"),
        ({"url": URL, "secret": "whsec_x"}, "/secret"),
        ({"url": URL, "label": ""}, "/label"),
    ],
)
def test_another_body_is_refused(trained: TestClient, body: Any, pointer: str) -> None:
    assert work.problem(trained.post("/webhooks", json=body)) == (422, "validation-error", [pointer])
