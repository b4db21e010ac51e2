"""What streams of events read: the rows after a step, and small facts of many jobs."""

from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.store import metrics
from service.store.tables import NOT_EVALUATED, Comparison, Job


class RunState(NamedTuple):
    """How far a run of a comparison is."""

    id: str
    arm: str | None
    seed: int
    status: str
    step: int
    steps: int
    test_accuracy: float | None
    """Of its newest evaluation; None before the first."""


def rows_after(session: Session, job_key: int, step: int, limit: int) -> list[dict[str, Any]]:
    """Return at most `limit` rows of a history after a step, in order, as clients see them."""
    names = (*metrics.KEYS, "non_finite")
    found = metrics.read(session, job_key, metrics.Window(step + 1), limit)
    rows = [dict(zip(names, row, strict=True)) for row in found]
    for row in rows:
        row["non_finite"] = (row["non_finite"] or "").split()
    return rows


def runs_revision(session: Session, comparison_id: str) -> tuple[int, int]:
    """Return how many jobs a comparison has, and the sum of their revisions: both grow with each change."""
    key = select(Comparison.key).where(Comparison.id == comparison_id).scalar_subquery()
    query = select(func.count(), func.coalesce(func.sum(Job.revision), 0)).where(Job.comparison_key == key)
    n_jobs, revisions = session.execute(query).one()
    return n_jobs, int(revisions)


def run_states(session: Session, comparison: Comparison) -> list[RunState]:
    """Return the state of every run of a comparison, in the order of arrival."""
    columns = (Job.id, Job.arm, Job.seed, Job.status, Job.step, Job.steps)
    accuracy = func.nullif(Job.test_accuracy, NOT_EVALUATED)
    query = select(*columns, accuracy).where(Job.comparison_key == comparison.key).order_by(Job.key)
    return [RunState(*row) for row in session.execute(query)]
