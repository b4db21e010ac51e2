"""The progress of a job, by the clock on the wall."""

import pytest
from starlette.testclient import TestClient

from service.api.jobs.views import pace
from service.store import jobs
from service.store.jobs import ClaimedJob
from service.store.spans import record_spans
from tests.api.work import claimed, database, shown, submitted
from tests.store.rows import at, span


@pytest.mark.parametrize(
    ("step", "resumed_step", "attempt_seconds", "expected"),
    [
        (0, None, None, None),
        (0, 0, None, None),
        (100, 0, 4.0, 25.0),
        (100, 60, 4.0, 10.0),
        (60, 60, None, None),
        (60, 60, 1.0, None),
        (60, 0, 0.0, None),
        (100, None, None, None),
    ],
    ids=[
        "queued",
        "claimed",
        "first attempt",
        "later attempt",
        "claimed again",
        "no step yet",
        "no time yet",
        "of an older release",
    ],
)
def test_the_pace_is_that_of_the_newest_attempt(
    step: int, resumed_step: int | None, attempt_seconds: float | None, expected: float | None
) -> None:
    assert pace(step, resumed_step, attempt_seconds) == expected


def store(client: TestClient, attempt: ClaimedJob, first: int, last: int, seconds: float) -> None:
    with database(client).writing() as session:
        record_spans(session, [span(attempt, first, last, attempt_seconds=seconds)], at(2))


def paces(client: TestClient, job_id: str) -> tuple[float | None, float | None]:
    progress = shown(client, job_id)["progress"]
    return progress["steps_per_second"], progress["eta_seconds"]


def test_a_running_job_shows_its_pace_and_when_it_ends(client: TestClient) -> None:
    job_id = submitted(client, steps=20)["id"]
    first = claimed(client, job_id)
    store(client, first, 1, 10, seconds=5.0)
    in_first = paces(client, job_id)
    with database(client).writing() as session:
        jobs.requeue_if_running(session, first.key, first.attempt, "handed back", at(3))
    queued = paces(client, job_id)
    second = claimed(client, job_id)
    resumed = paces(client, job_id)

    store(client, second, 11, 14, seconds=1.0)

    assert (in_first, queued, resumed) == ((2.0, 5.0), (2.0, None), (None, None))
    assert paces(client, job_id) == (4.0, 1.5)
