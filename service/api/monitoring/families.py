"""What the database knows of the service, as metrics: the same from whichever process exports them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from sqlalchemy.orm import Session

from service.store import clock, counters, workers
from service.store.queue_counts import Backlog, backlogs, count_by_status
from service.store.training_counts import STEPS, span_commits

MOST_OWNERS = 10
"""Owners of queued jobs that have a label of their own; all others share one."""
OTHERS = "other"


@dataclass(frozen=True)
class Standing:
    """The state of the service at one time, as its database has it."""

    at: datetime
    jobs: dict[str, int]
    backlogs: list[Backlog]
    workers: int
    counted: dict[str, int]


def read_standing(session: Session) -> Standing:
    """Read the state."""
    at = clock.now(session)
    return Standing(
        at=at,
        jobs=count_by_status(session),
        backlogs=backlogs(session, MOST_OWNERS, OTHERS),
        workers=workers.present(session, at),
        counted=counters.read(session),
    )


def families(standing: Standing | None) -> Iterator[Metric]:
    """Yield the metrics of a state; without one, only that the database is away."""
    yield GaugeMetricFamily(
        "normserve_database_up", "Whether the database was read.", value=float(standing is not None)
    )
    if standing is None:
        return
    yield _by_label("normserve_jobs", "Jobs, by status.", "status", standing.jobs)
    yield _by_label(
        "normserve_queue_jobs",
        "Queued jobs, by owner: a comparison, an API key, other single jobs, or all smaller owners.",
        "owner",
        {each.owner: each.queued for each in standing.backlogs},
    )
    yield _by_label(
        "normserve_queue_oldest_wait_seconds",
        "The longest wait of a queued job since it was last queued, by owner.",
        "owner",
        {each.owner: _seconds(each.waiting_since, standing.at) for each in standing.backlogs},
    )
    yield GaugeMetricFamily(
        "normserve_workers", "Workers that the dispatcher has seen within 10 seconds.", value=standing.workers
    )
    yield from _counted(standing.counted)


def _counted(counted: dict[str, int]) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "normserve_training_steps", "Steps that workers have trained and stored.", value=counted.get(STEPS, 0)
    )
    yield CounterMetricFamily(
        "normserve_fenced_writes",
        "Writes of attempts that had lost their job, which were refused.",
        value=counted.get("fenced_writes", 0),
    )
    commits = span_commits(counted)
    yield HistogramMetricFamily(
        "normserve_span_commit_duration_seconds",
        "Time to store the spans of a stack (jobs trained together), waits for the database included.",
        buckets=commits.within,
        sum_value=commits.seconds,
    )


def _by_label(name: str, documentation: str, label: str, found: dict[str, float] | dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for value, number in found.items():
        family.add_metric([value], number)
    return family


def _seconds(since: datetime, at: datetime) -> float:
    return max(0.0, (at - since).total_seconds())
