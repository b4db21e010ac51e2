"""What streams of events read of the jobs of a comparison."""

from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

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
