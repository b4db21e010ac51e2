"""Lists of jobs and comparisons as streams: the newest state after each change, and nothing twice."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from service.api.events.examples import JOB_SUMMARY
from service.api.events.snapshots import SPACING_SECONDS
from tests.api import planted, work
from tests.api.streams import Listener, parse
from tests.api.work import claimed, problem, record, submitted
from tests.store.rows import metric

FORGED = ["abc", "0", "f" * 31, "G" * 32, f"{'0' * 32}.end"]


def compared(client: Any) -> dict[str, Any]:
    comparison: dict[str, Any] = client.post("/comparisons", json={**planted.TWO_ARMS, "seeds": 1}).json()
    return comparison


def test_a_list_comes_whole_after_each_change(client: TestClient) -> None:
    first = submitted(client, norm="layer", label="old", tags={"for": "test"})
    stream = Listener(client, "/events?norm=layer&tag=for:test&limit=2")
    attempt = claimed(client, first["id"])
    record(client, attempt, metric(1, 0.5))
    work.poll(lambda: stream.news()[-1].data["items"][0]["test_accuracy"] == 0.5)

    submitted(client)
    client.patch(first["links"]["self"], json={"label": "new"})
    work.poll(lambda: stream.news()[-1].data["items"][0]["label"] == "new")
    second = submitted(client, norm="layer", tags={"for": "test"})
    work.poll(lambda: len(stream.news()[-1].data["items"]) == 2)
    stream.leave()

    newest = stream.news()[-1].data["items"]
    details = {job["id"]: job for job in client.get("/jobs?norm=layer").json()["items"]}
    assert {event.name for event in stream.news()} == {"jobs"}
    assert [job["id"] for job in newest] == [second["id"], first["id"]]
    assert [{*job} for job in newest] == [{*JOB_SUMMARY}] * 2
    for job in newest:
        known = {name: value for name, value in job.items() if name != "test_accuracy"}
        assert details[job["id"]].items() >= known.items()


def test_who_has_the_newest_list_gets_nothing_until_it_changes(client: TestClient) -> None:
    job = submitted(client)
    [seen] = parse(client.get("/events").text)
    stream = Listener(client, "/events", headers={"Last-Event-ID": seen.id})
    assert stream.text == ""

    client.post(job["links"]["cancel"])
    stream.has("jobs")
    stream.leave()

    [event] = stream.news()
    assert [each["status"] for each in event.data["items"]] == ["cancelled"]
    assert event.id != seen.id


def test_a_comparison_comes_whole_until_its_last_run_has_ended(client: TestClient) -> None:
    comparison = compared(client)
    first, second = planted.waiting(client, comparison)
    stream = Listener(client, comparison["links"]["events"])
    planted.end(client, first, 0.9)
    work.poll(lambda: stream.news()[-1].data["progress"]["succeeded"] == 1)

    client.post(f"/jobs/{second['id']}/cancel")
    stream.end()
    *_, last, done = stream.news()

    shown = client.get(comparison["links"]["self"]).json()
    runs = [(run["id"], run["arm"], run["status"], run["step"]) for run in last.data["runs"]]
    assert runs == [
        (first["id"], first["arm"], "succeeded", planted.STEPS),
        (second["id"], second["arm"], "cancelled", 0),
    ]
    assert [run["test_accuracy"] for run in last.data["runs"]] == [0.9, None]
    assert {name: last.data[name] for name in ("id", "status", "progress")}.items() <= shown.items()
    assert (done.name, done.data, done.id) == ("done", {"status": "ended"}, f"{last.id}.done")


def test_who_has_seen_the_end_of_a_comparison_is_sent_away_until_it_is_extended(client: TestClient) -> None:
    comparison = compared(client)
    client.post(comparison["links"]["cancel"])
    path = comparison["links"]["events"]
    last, done = parse(client.get(path).text)

    cut = client.get(path, headers={"Last-Event-ID": last.id})
    seen = client.get(path, headers={"Last-Event-ID": done.id})
    client.post(f"{comparison['links']['self']}/extend", json={"seeds": 2})
    extended = client.get(path, headers={"Last-Event-ID": done.id})

    assert parse(cut.text) == [done]
    assert (seen.status_code, seen.content) == (204, b"")
    assert [(event.name, event.data["progress"]["queued"]) for event in parse(extended.text)] == [
        ("comparison", 4)
    ]


def test_snapshots_come_at_most_four_times_a_second(sqlite_client: TestClient) -> None:
    """The clock is that of the loop: what is stored meanwhile is in the next snapshot."""
    client = sqlite_client
    job = submitted(client, steps=100)
    stream = Listener(client, "/events")
    attempt = claimed(client, job["id"])
    assert client.portal is not None
    loop = client.portal.call(work.running_loop)
    began = loop.time()

    for step in range(1, 101):
        record(client, attempt, metric(step))
    work.poll(lambda: stream.news()[-1].data["items"][0]["progress"]["step"] == 100)
    seconds = loop.time() - began
    stream.leave()

    assert len(stream.events()) <= 2 + seconds / SPACING_SECONDS


@pytest.mark.parametrize("last_event_id", FORGED)
def test_a_forged_id_is_refused(sqlite_client: TestClient, last_event_id: str) -> None:
    paths = ["/events", f"/comparisons/cmp_{'0' * 32}/events"]

    answers = [sqlite_client.get(path, headers={"Last-Event-ID": last_event_id}) for path in paths]

    assert [problem(answer) for answer in answers] == [(422, "validation-error", ["/Last-Event-ID"])] * 2


def test_a_comparison_that_there_is_not_has_no_stream(sqlite_client: TestClient) -> None:
    answer = sqlite_client.get(f"/comparisons/cmp_{'0' * 32}/events")

    assert problem(answer) == (404, "comparison-not-found", [])


@pytest.mark.parametrize("query", ["limit=201", "limit=0", "norm=no", "tag=x", "cursor=abc"])
def test_a_bad_filter_is_refused(sqlite_client: TestClient, query: str) -> None:
    answer = sqlite_client.get(f"/events?{query}")

    assert problem(answer) == (422, "validation-error", [f"/{query.partition('=')[0]}"])
