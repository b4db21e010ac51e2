"""A job's stream has every row once, whatever a client and the job go through, and an end."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from starlette.testclient import TestClient

from models.specs.spec import TrainSpec
from service.api.events import histories
from service.api.shared.dependencies import Parts
from service.errors import DatabaseUnavailable
from service.store import jobs
from service.store.database import Database
from service.store.tables import Job
from tests.api import work
from tests.api.conftest import serving
from tests.api.streams import Event, Listener, parse, steps
from tests.api.work import claimed, problem, record, submitted
from tests.store.rows import T0, metric


def parts_of(client: Any) -> Parts:
    found: Parts = client.app.state.parts
    return found


def path_of(job: dict[str, Any]) -> str:
    path: str = job["links"]["events"]
    return path


def finish(client: Any, attempt: jobs.ClaimedJob) -> None:
    with work.database(client).writing() as session:
        jobs.finish_if_running(session, attempt.key, attempt.attempt, T0)


def shape(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.name, event.id) for event in events]


def test_a_stream_has_the_rows_so_far_then_each_new_one_and_the_end(client: TestClient) -> None:
    job = submitted(client, steps=6)
    attempt = claimed(client, job["id"])
    record(client, attempt, metric(1), metric(2, 0.5))
    stream = Listener(client, path_of(job))
    stream.has("metrics")

    record(client, attempt, metric(3))
    stream.has("metrics", 2)
    record(client, attempt, metric(4), metric(5), metric(6, 0.9))
    finish(client, attempt)
    events = stream.end()

    shown = client.get(job["links"]["self"]).json()
    rows = client.get(job["links"]["metrics"]).json()["items"]
    spec = {name: value for name, value in shown.items() if name in TrainSpec.model_fields}
    first, *_, last = [event.data for event in stream.events("status")]
    assert [row for event in stream.events("metrics") for row in event.data["items"]] == rows
    assert stream.events("metrics")[-1].data["progress"] == shown["progress"]
    assert (first["status"], last | spec) == ("running", shown)
    assert shape(events)[-2:] == [("status", ""), ("done", "6.done")]
    assert events[-1].data == {"status": "succeeded"}
    assert stream.sent_headers.items() >= {
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache"),
        ("x-accel-buffering", "no"),
    }


def test_a_client_may_change_between_polling_and_streams(copied: TestClient, job: dict[str, Any]) -> None:
    polled = copied.get(f"{job['links']['metrics']}?limit=400").json()["items"]

    streamed = parse(copied.get(f"{path_of(job)}?after_step={polled[-1]['step']}").text)
    cut = parse(copied.get(path_of(job), headers={"Last-Event-ID": "700"}).text)
    both = parse(copied.get(f"{path_of(job)}?after_step=3", headers={"Last-Event-ID": "900"}).text)

    assert [row["step"] for row in polled] + steps(streamed) == list(range(1, 1001))
    assert [steps(events)[0] for events in (cut, both)] == [701, 901]
    assert {events[-1].id for events in (streamed, cut, both)} == {"1000.done"}


def test_a_long_history_comes_in_bounded_events(copied: TestClient, job: dict[str, Any]) -> None:
    events = parse(copied.get(path_of(job)).text)

    assert shape(events) == [("status", ""), ("metrics", "500"), ("metrics", "1000"), ("done", "1000.done")]
    assert steps(events) == list(range(1, 1001))


@pytest.mark.parametrize("last_step", ["0", "1"], ids=["no row", "a row"])
def test_who_was_cut_before_the_end_sees_it_and_is_then_sent_away(client: TestClient, last_step: str) -> None:
    job = submitted(client, steps=2)
    attempt = claimed(client, job["id"])
    record(client, attempt, metric(1)) if last_step == "1" else None
    client.post(job["links"]["cancel"])

    cut = client.get(path_of(job), headers={"Last-Event-ID": last_step})
    polled = client.get(f"{path_of(job)}?after_step={last_step}")
    seen = client.get(path_of(job), headers={"Last-Event-ID": parse(cut.text)[-1].id})

    end = [("status", ""), ("done", f"{last_step}.done")]
    assert [shape(parse(answer.text)) for answer in (cut, polled)] == [end, end]
    assert (seen.status_code, seen.content) == (204, b"")


def test_another_attempt_is_the_same_stream(client: TestClient) -> None:
    job = submitted(client, steps=4)
    attempt = claimed(client, job["id"])
    stream = Listener(client, path_of(job))
    record(client, attempt, metric(1), metric(2))
    stream.has("metrics")

    with work.database(client).writing() as session:
        jobs.requeue_if_running(session, attempt.key, attempt.attempt, "its worker was lost", T0)
    stream.has("status", 2)
    again = claimed(client, job["id"])
    record(client, again, metric(3), metric(4))
    finish(client, again)
    events = stream.end()

    statuses = [(event.data["status"], event.data["attempt"]) for event in stream.events("status")]
    assert statuses[:2] == [("running", 1), ("queued", 1)]
    assert statuses[-1] == ("succeeded", 2)
    assert steps(events) == [1, 2, 3, 4]


def test_a_job_deleted_meanwhile_ends_its_stream_without_an_end(
    client: TestClient, database: Database
) -> None:
    job = submitted(client)
    stream = Listener(client, path_of(job))

    with database.writing() as session:
        session.execute(delete(Job))
    events = stream.end()

    again = client.get(path_of(job), headers={"Last-Event-ID": "0"})
    assert shape(events) == [("status", "")]
    assert problem(again) == (404, "job-not-found", [])


@pytest.mark.parametrize(
    ("cursor", "code", "pointer"),
    [
        ("101", "invalid-cursor", "/Last-Event-ID"),
        ("101.done", "invalid-cursor", "/Last-Event-ID"),
        ("?after_step=101", "invalid-cursor", "/after_step"),
        ("abc", "validation-error", "/Last-Event-ID"),
        ("1.end", "validation-error", "/Last-Event-ID"),
        ("-1", "validation-error", "/Last-Event-ID"),
        ("9" * 30, "validation-error", "/Last-Event-ID"),
        ("?after_step=-1", "validation-error", "/after_step"),
    ],
)
def test_a_forged_cursor_is_refused(sqlite_client: TestClient, cursor: str, code: str, pointer: str) -> None:
    path = path_of(submitted(sqlite_client, steps=100))
    is_query = cursor.startswith("?")

    answer = sqlite_client.get(
        path + cursor if is_query else path, headers={} if is_query else {"Last-Event-ID": cursor}
    )

    assert problem(answer) == (422, code, [pointer])


def test_pings_come_and_go_on_while_the_database_is_away(sqlite_client: TestClient) -> None:
    client = sqlite_client
    parts_of(client).streams.ping_seconds = 0.05
    job = submitted(client, steps=1)
    attempt = claimed(client, job["id"])
    stream = Listener(client, path_of(job))
    folder = Path(str(work.database(client).url.database)).parent
    away = folder.rename(folder.with_name("away"))
    work.database(client).engine.dispose()

    stream.has("ping", len(stream.events("ping")) + 5)
    away.rename(folder)
    record(client, attempt, metric(1))
    finish(client, attempt)
    events = stream.end()

    assert steps(events) == [1]
    assert events[-1].name == "done"


def test_equal_streams_share_each_read(sqlite_client: TestClient) -> None:
    client = sqlite_client
    reads, n_reads = parts_of(client).reads, []
    find = reads._find
    reads._find = lambda query: n_reads.append(query) or find(query)  # type: ignore[method-assign, func-returns-value]
    job = submitted(client, steps=2)
    attempt = claimed(client, job["id"])
    streams = [Listener(client, path_of(job)) for _ in range(5)]
    n_reads.clear()

    record(client, attempt, metric(1))
    for stream in streams:
        stream.has("metrics")
    client.post(job["links"]["cancel"])

    assert [stream.end()[-1].id for stream in streams] == ["1.done"] * 5
    assert len([query for query in n_reads if isinstance(query, histories.EventQuery)]) <= 4


def test_a_service_that_stops_ends_its_streams(sqlite_client: TestClient) -> None:
    client = sqlite_client
    path = path_of(submitted(client))
    streams = [Listener(client, path), Listener(client, "/events")]
    stalled = Listener(client, path, reads=False)

    assert client.portal is not None
    client.portal.call(parts_of(client).stop_waiting)
    events = [stream.end() for stream in streams]
    stalled.leave()

    late = client.get(path)
    assert [shape(found)[0][0] for found in events] == ["status", "jobs"]
    assert (problem(late)[:2], late.headers["Retry-After"]) == ((503, "overloaded"), "1")


def test_there_are_at_most_so_many_streams(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path, max_streams=2) as client:
        streams = [Listener(client, "/events") for _ in range(2)]
        refused = client.get("/events")
        streams[0].leave()
        accepted = client.get("/events")
        streams[1].leave()

    assert (problem(refused)[:2], accepted.status_code) == ((503, "overloaded"), 200)


def test_a_client_that_does_not_read_is_dropped(sqlite_client: TestClient) -> None:
    client = sqlite_client
    parts_of(client).streams.send_seconds = 0.05
    stream = Listener(client, path_of(submitted(client)), reads=False)

    assert stream.end() == []
    assert len(parts_of(client).streams) == 0


@pytest.mark.slow
def test_who_leaves_is_forgotten(sqlite_client: TestClient) -> None:
    client = sqlite_client
    path = path_of(submitted(client))
    streams = [Listener(client, path) for _ in range(3)]

    for stream in streams:
        stream.leave()

    assert len(parts_of(client).streams) == 0
    work.poll(lambda: not parts_of(client).changes._waiting)


def test_a_database_that_is_away_is_a_problem_before_the_stream(sqlite_client: TestClient) -> None:
    client = sqlite_client
    path = path_of(submitted(client))
    folder = Path(str(work.database(client).url.database)).parent
    work.database(client).engine.dispose()
    away = folder.rename(folder.with_name("away"))

    answer = client.get(path)
    away.rename(folder)

    assert problem(answer)[:2] == (503, DatabaseUnavailable.code)
