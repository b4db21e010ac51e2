"""Counts for an operator: jobs by status, and the queue by owner."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.store.key_tables import ApiKey
from service.store.marks import WITH_MARKED
from service.store.tables import STATUSES, Comparison, Job, JobTransition
from service.store.turns import SINGLE_JOBS

SINGLE = "single_jobs"
"""The name of the owner of all jobs that belong to no comparison and to no API key."""


class Backlog(NamedTuple):
    """The queued jobs of an owner, and since when the one waits that has waited longest."""

    owner: str
    """The id of a comparison or of an API key, or `single_jobs`."""
    queued: int
    waiting_since: datetime


def count_by_status(session: Session) -> dict[str, int]:
    """Count the jobs of each status; those that are marked as deleted are in none.

    An index has the status of every job, and another one the few that are marked: no other row is read.
    """
    per_status = select(Job.status, func.count()).group_by(Job.status)
    every = dict(session.execute(per_status, execution_options=WITH_MARKED).all())
    marked = select(Job.status).where(Job.deleted_at.is_not(None))
    gone = Counter(session.scalars(marked, execution_options=WITH_MARKED))
    return {status: every.get(status, 0) - gone[status] for status in STATUSES}


def backlogs(session: Session, most: int, others: str) -> list[Backlog]:
    """Return the owners with the most queued jobs, and all beyond as one with the name `others`.

    A requeued job has waited since it was requeued.
    """
    jobs = (
        select(Job.owner, func.max(JobTransition.at).label("since"))
        .join(JobTransition, JobTransition.job_key == Job.key)
        .where(Job.status == "queued")
        .group_by(Job.key, Job.owner)
        .subquery()
    )
    n_queued = func.count()
    query = select(jobs.c.owner, n_queued, func.min(jobs.c.since)).group_by(jobs.c.owner)
    found = session.execute(query.order_by(n_queued.desc(), jobs.c.owner)).all()
    names = _names(session, [owner for owner, _, _ in found[:most]])
    first = [Backlog(names.get(owner, str(owner)), queued, since) for owner, queued, since in found[:most]]
    rest = found[most:]
    if rest:
        first.append(Backlog(others, sum(each[1] for each in rest), min(each[2] for each in rest)))
    return first


def _names(session: Session, owners: Sequence[int]) -> dict[int, str]:
    """Return the ids of owners, which have the numbers that turns.py gives them."""
    comparisons = select(Comparison.key, Comparison.id).where(Comparison.key.in_(owners))
    keys = select(-ApiKey.key, ApiKey.id).where(ApiKey.key.in_([-owner for owner in owners]))
    ids = session.execute(comparisons.union_all(keys)).all()
    return {SINGLE_JOBS: SINGLE, **dict(ids)}
