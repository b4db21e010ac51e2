"""Lists of jobs, page by page, and the state of the queue."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from service.store import cursors
from service.store.tables import Comparison, Job, JobTag, JobTransition

JobSort = Literal["-created_at", "created_at", "-test_accuracy", "test_accuracy"]


@dataclass(frozen=True)
class JobFilter:
    """Which jobs to list; a condition that is empty or None is ignored."""

    status: Collection[str] = ()
    norm: str | None = None
    init: bool | None = None
    seed: int | None = None
    label: str | None = None
    comparison_id: str | None = None
    tags: Sequence[tuple[str, str]] = ()
    """Names and values, all of which a job must have."""


class Page(NamedTuple):
    """Some jobs, and the cursor of the next ones where there are more."""

    jobs: Sequence[Job]
    next_cursor: str | None


class Queue(NamedTuple):
    """How many jobs wait and run, and when the one that has waited longest was queued."""

    queued: int
    running: int
    waiting_since: datetime | None


def list_jobs(session: Session, wanted: JobFilter, sort: JobSort, limit: int, cursor: str | None) -> Page:
    """Return a page of jobs, which does not shift while jobs arrive; raise InvalidCursor."""
    query, key = _filtered(wanted)
    order = _order(sort, key)
    if cursor is not None:
        values = cursors.decode(cursor, f"jobs {sort}", len(order))
        place = tuple_(*order)
        query = query.where(place < tuple_(*values) if sort.startswith("-") else place > tuple_(*values))
    jobs = session.scalars(query.order_by(*_directed(sort, order)).limit(limit + 1)).all()
    if len(jobs) <= limit:
        return Page(jobs, None)
    return Page(jobs[:limit], cursors.encode(f"jobs {sort}", _place(sort, jobs[limit - 1])))


def listed(session: Session, wanted: JobFilter, sort: JobSort, limit: int) -> list[tuple[int, int]]:
    """Return the keys and revisions of the first jobs of a list: this differs after each change of it."""
    query, key = _filtered(wanted)
    first = query.with_only_columns(Job.key, Job.revision).order_by(*_directed(sort, _order(sort, key)))
    return [(row.key, row.revision) for row in session.execute(first.limit(limit))]


def status_of(session: Session, key: int) -> str | None:
    """Return the status of a job; None for one that is deleted."""
    return session.scalar(select(Job.status).where(Job.key == key))


def running(session: Session, submission: str | None = None) -> Sequence[Job]:
    """Return the jobs that are running: all, or those of one task."""
    query = select(Job).where(Job.status == "running").order_by(Job.key)
    return session.scalars(query if submission is None else query.where(Job.submission == submission)).all()


def queue(session: Session) -> Queue:
    """Count the jobs that wait and run; a requeued job has waited since it was requeued."""
    open_jobs = select(Job.status, func.count()).where(Job.status.in_(("queued", "running")))
    counts = dict(session.execute(open_jobs.group_by(Job.status)).all())
    queued_at = func.max(JobTransition.at)
    since = (
        select(queued_at)
        .join(Job, Job.key == JobTransition.job_key)
        .where(Job.status == "queued")
        .group_by(JobTransition.job_key)
        .order_by(queued_at)
        .limit(1)
    )
    return Queue(counts.get("queued", 0), counts.get("running", 0), session.scalar(since))


def latest_moves(session: Session, keys: Collection[int]) -> dict[int, tuple[int, datetime | None]]:
    """Return the attempt of each of these jobs that runs, and when it last stored a span or a heartbeat."""
    rows = session.execute(
        select(Job.key, Job.attempt, Job.moved_at).where(Job.key.in_(keys), Job.status == "running")
    )
    return {key: (attempt, moved_at) for key, attempt, moved_at in rows}


def transitions(session: Session, keys: Collection[int]) -> dict[int, list[JobTransition]]:
    """Return the transitions of these jobs by their keys, oldest first."""
    query = (
        select(JobTransition)
        .where(JobTransition.job_key.in_(keys))
        .order_by(JobTransition.job_key, JobTransition.number)
    )
    found: dict[int, list[JobTransition]] = {key: [] for key in keys}
    for transition in session.scalars(query):
        found[transition.job_key].append(transition)
    return found


def comparison_ids(session: Session, jobs: Sequence[Job]) -> dict[int | None, str]:
    """Return the ids of these jobs' comparisons, by comparison key."""
    keys = {job.comparison_key for job in jobs if job.comparison_key is not None}
    if not keys:
        return {}
    rows = session.execute(select(Comparison.key, Comparison.id).where(Comparison.key.in_(keys)))
    return dict(rows.all())


def revisions(session: Session, ids: Collection[str]) -> dict[str, int]:
    """Return the revision of each of these jobs, by id."""
    return dict(session.execute(select(Job.id, Job.revision).where(Job.id.in_(ids))).all())


def _filtered(wanted: JobFilter) -> tuple[Select[Job], ColumnElement[int]]:
    """Return the query of these jobs, and the column of their keys in whose order an index has them."""
    query, key = select(Job), Job.key.expression
    if wanted.status:
        query = query.where(Job.status.in_(wanted.status))
    for column in ("norm", "init", "seed", "label"):
        value = getattr(wanted, column)
        if value is not None:
            query = query.where(getattr(Job, column) == value)
    if wanted.comparison_id is not None:
        ours = select(Comparison.key).where(Comparison.id == wanted.comparison_id)
        query = query.where(Job.comparison_key == ours.scalar_subquery())
    for name, value in wanted.tags:
        tag = aliased(JobTag)
        query = query.join(tag, and_(tag.job_key == Job.key, tag.name == name, tag.value == value))
        key = tag.job_key.expression
    return query, key


def _order(sort: JobSort, key: ColumnElement[int]) -> list[ColumnElement[Any]]:
    return [key] if sort.endswith("created_at") else [Job.test_accuracy.expression, key]


def _directed(sort: JobSort, order: list[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    return [column.desc() if sort.startswith("-") else column.asc() for column in order]


def _place(sort: JobSort, job: Job) -> list[int | float]:
    return [job.key] if sort.endswith("created_at") else [job.test_accuracy, job.key]
