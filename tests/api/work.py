"""What workers do to submitted jobs, done in this process."""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from models.data.digits import Digits
from models.specs.metrics import MetricRow
from service.api.shared.dependencies import Parts
from service.store import checkpoints, clock, cursors, jobs, keys
from service.store.database import Database
from service.store.jobs import ClaimedJob
from service.store.spans import SpanRecord, record_spans
from service.store.tables import ResumeState
from service.work import task
from tests.store.rows import IDENTITY, T0

SENTENCE = re.compile(r"(?:[A-Z]|\w+[_.]\w).*[.…]")
"""Begins with a capital or with a name of ours, and ends."""
SHORT: dict[str, Any] = {"steps": 20, "eval_every": 10, "checkpoint_every": 10}


def database(client: Any) -> Database:
    parts: Parts = client.app.state.parts
    return parts.database


def submitted(client: Any, **body: Any) -> dict[str, Any]:
    answer = client.post("/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return shown(client, answer.json()["id"])


def shown(client: Any, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = client.get(f"/jobs/{job_id}").json()
    return job


def claimed(client: Any, job_id: str) -> ClaimedJob:
    """Make a queued job running, as a worker would."""
    [attempt] = claimed_together(client, [job_id])
    return attempt


def claimed_together(client: Any, job_ids: Sequence[str]) -> list[ClaimedJob]:
    """Make queued jobs running, as a worker does with those that it trains together."""
    with database(client).writing() as session:
        keys = [jobs.get(session, job_id).key for job_id in job_ids]
        jobs.set_submission(session, keys, "token")
    found = {attempt.key: attempt for attempt in task.claim(database(client), keys, "token")}
    return [found[key] for key in keys]


def train(client: Any, digits: Digits, job_id: str) -> None:
    task.train_claimed(database(client), lambda _: digits, [claimed(client, job_id)])


def trained(client: Any, digits: Digits, **body: Any) -> dict[str, Any]:
    job = submitted(client, **body)
    train(client, digits, job["id"])
    return shown(client, job["id"])


def train_a_span(client: Any, digits: Digits, job_id: str) -> None:
    """Train and store one span of a queued job, which is queued again then."""
    attempt = claimed(client, job_id)
    with database(client).writing() as session:
        jobs.request_stop(session)
    task.train_claimed(database(client), lambda _: digits, [attempt])


def begun(client: Any, digits: Digits, **body: Any) -> dict[str, Any]:
    """A job of which one span is trained and stored, and which is running again."""
    job = submitted(client, steps=1_000_000, **body)
    train_a_span(client, digits, job["id"])
    claimed(client, job["id"])
    return shown(client, job["id"])


def record(client: Any, attempt: ClaimedJob, *rows: MetricRow) -> None:
    """Store rows of a span, without training."""
    span = SpanRecord(attempt.key, attempt.attempt, rows, b"state", [], 2, IDENTITY)
    with database(client).writing() as session:
        record_spans(session, [span], T0)


def poll(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.005)


def ids(answer: httpx.Response) -> list[str]:
    return [item["id"] for item in answer.json()["items"]]


def problem(answer: httpx.Response) -> tuple[int, str, list[str]]:
    """Answer status, code and pointers of a problem."""
    body = answer.json()
    assert SENTENCE.fullmatch(body["detail"]), body["detail"]
    return answer.status_code, body["code"], [place["pointer"] for place in body["errors"]]


def cursor(name: str, *place: float) -> str:
    """Forge a cursor."""
    return cursors.encode(name, list(place))


def store_weights(client: Any, job_id: str, weights: bytes, summed: bool = False) -> None:
    """Change the bytes of a job's newest checkpoint behind the service's back, its sha256 too if `summed`."""
    with database(client).writing() as session:
        checkpoint = checkpoints.get(session, jobs.get(session, job_id), "latest")
        checkpoint.weights = weights
        checkpoint.sha256 = hashlib.sha256(weights).hexdigest() if summed else checkpoint.sha256


def change_state(client: Any, job_id: str, change: Callable[[bytes], bytes]) -> None:
    """Change the bytes of a job's resume state behind the service's back, and not its sha256."""
    with database(client).writing() as session:
        stored = session.get_one(ResumeState, jobs.get(session, job_id).key)
        stored.state = change(stored.state)


def store_spec(client: Any, job_id: str, **changes: Any) -> None:
    """Change a job's stored spec behind the service's back, as another release may have written it."""
    with database(client).writing() as session:
        job = jobs.get(session, job_id)
        job.spec = {**job.spec, **changes}


async def running_loop() -> asyncio.AbstractEventLoop:
    """The loop of the API, called through its portal."""
    return asyncio.get_running_loop()


def with_key(client: Any) -> dict[str, str]:
    """Return the header with a new API key that may do everything."""
    with database(client).writing() as session:
        _, text = keys.create(session, "test", ["admin"], clock.now(session), None)
    return {"authorization": f"Bearer {text}"}
