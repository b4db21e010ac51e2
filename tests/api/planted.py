"""Comparisons whose runs have ended as a test wants, without training, and what webhooks get."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from models.specs.metrics import MetricRow
from service.store import clock, deliveries, ends, jobs, webhooks
from service.store.deliveries import DeliveryOutcome
from service.store.failures import describe_failure
from service.store.jobs import ClaimedJob
from service.store.spans import SpanRecord, record_spans
from tests.api import work
from tests.store.rows import IDENTITY

STEPS = 100
LAST_OF_DIVERGED = 60
BASE = {"steps": STEPS, "eval_every": 50, "checkpoint_every": 100}
TWO_ARMS = {"arms": [{"name": "none"}, {"name": "batch", "norm": "batch"}], "base": BASE}

Accuracy = Callable[[str, int, float], float | None]
"""The last test accuracy by arm, seed and learning rate; None is a run that diverged."""


@dataclass(frozen=True)
class Ended:
    """What becomes of a running job: its last accuracies; without one on test it diverged."""

    attempt: ClaimedJob
    accuracy: float | None
    validation: float | None = None

    def span(self) -> SpanRecord:
        return SpanRecord(self.attempt.key, self.attempt.attempt, self.rows(), b"state", [], 2, IDENTITY)

    def rows(self) -> list[MetricRow]:
        if self.accuracy is None:
            *rows, last = history(0.5, LAST_OF_DIVERGED)
            return [*rows, last._replace(train_loss=float("nan"))]
        *rows, last = history(self.accuracy, STEPS)
        return [
            *rows,
            last if self.validation is None else last._replace(validation_accuracy=self.validation),
        ]

    def failure(self) -> dict[str, Any] | None:
        return describe_failure("diverged", "planted", LAST_OF_DIVERGED) if self.accuracy is None else None


def comparison(
    client: Any, accuracy: Accuracy, validation: Accuracy | None = None, **body: Any
) -> dict[str, Any]:
    """Create a comparison and end all its runs; validation accuracies are those on test if not given."""
    answer = client.post("/comparisons", json={**TWO_ARMS, **body})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    queued = waiting(client, created)
    attempts = work.claimed_together(client, [job["id"] for job in queued])
    runs = [(job["arm"], job["seed"], job["learning_rate"]) for job in queued]
    end_claimed(
        client,
        [
            Ended(attempt, accuracy(*run), validation(*run) if validation else None)
            for attempt, run in zip(attempts, runs, strict=True)
        ],
    )
    return created


def waiting(client: Any, created: dict[str, Any]) -> list[dict[str, Any]]:
    """The jobs of a comparison that wait, at most 200, in their order."""
    query = {"comparison_id": created["id"], "status": "queued", "limit": 200, "sort": "created_at"}
    queued: list[dict[str, Any]] = client.get("/jobs", params=query).json()["items"]
    return queued


def end(client: Any, job: dict[str, Any], accuracy: float | None, validation: float | None = None) -> None:
    """Store the history of a queued job, and its end."""
    end_claimed(client, [Ended(work.claimed(client, job["id"]), accuracy, validation)])


def end_claimed(client: Any, runs: Sequence[Ended]) -> None:
    """Store the histories of running jobs, and their ends."""
    now = datetime.now(UTC)
    with work.database(client).writing() as session:
        record_spans(session, [run.span() for run in runs], now)
        for run in runs:
            attempt = run.attempt
            jobs.finish_if_running(session, attempt.key, attempt.attempt, now, failure=run.failure())


def with_net(client: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Create a comparison of one arm, with the spec and the net of a job that has succeeded."""
    weights = client.get(f"/jobs/{job['id']}/checkpoints/latest/weights").content
    arm = {"name": "WN", "norm": job["norm"], "init": job["init"]}
    created: dict[str, Any] = client.post("/comparisons", json={"arms": [arm], "seeds": 1}).json()
    [queued] = waiting(client, created)
    attempt = work.claimed(client, queued["id"])
    last = row(1, 0.9)
    with work.database(client).writing() as session:
        span = SpanRecord(attempt.key, attempt.attempt, [last], b"state", [(last, weights)], 2, IDENTITY)
        record_spans(session, [span], datetime.now(UTC))
    return created


def history(accuracy: float, last_step: int) -> list[MetricRow]:
    """Rows whose train accuracy rises for 20 steps, and whose test accuracy is 0.1 lower half-way."""
    return [row(step, accuracy) for step in range(1, last_step + 1)]


def row(step: int, accuracy: float) -> MetricRow:
    evaluated = {50: accuracy - 0.1, STEPS: accuracy}.get(step)
    loss = None if evaluated is None else 1 - evaluated
    train = accuracy * min(1.0, step / 20)
    return MetricRow(step, 1 / step, train, loss, evaluated, loss, evaluated, step / 1000)


def delivered(client: Any) -> tuple[str, str]:
    """A webhook that got the events of all that has ended: its id, and that of one of its deliveries."""
    with work.database(client).writing() as session:
        now = clock.now(session)
        webhook = webhooks.create(session, "https://example.org/", ["job.ended"], "a label", now)
        ends.make_deliveries(session, now)
        claimed = deliveries.claim_due(session, {}, 1, now)
        deliveries.record(session, [DeliveryOutcome(each, 204, None) for each in claimed], [], now)
        return webhook.id, claimed[0].id
