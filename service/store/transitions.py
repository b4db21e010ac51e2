"""What is stored with each change of a job's status: its transition, and its end if it is one."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, insert, literal, select
from sqlalchemy.orm import Session

from service.store import ends
from service.store.columns import UtcDateTime
from service.store.tables import ENDED, Job, JobTransition


def note_transitions(
    session: Session, keys: Collection[int], status: str, reason: str, now: datetime
) -> None:
    """Store the transition that these jobs have just made, and their ends for webhooks."""
    number = func.coalesce(func.max(JobTransition.number), 0) + 1
    moved = (
        select(Job.key, number, literal(status), literal(reason), Job.attempt, literal(now, UtcDateTime()))
        .outerjoin(JobTransition, JobTransition.job_key == Job.key)
        .where(Job.key.in_(keys))
        .group_by(Job.key, Job.attempt)
    )
    columns = ["job_key", "number", "status", "reason", "attempt", "at"]
    session.execute(insert(JobTransition).from_select(columns, moved))
    if status in ENDED:
        ends.note(session, keys)
