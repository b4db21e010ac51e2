"""Lists of jobs, page by page, the state of the queue, and the latest moves of running jobs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Select, UnaryExpression, and_, func, select, tuple_, union_all
from sqlalchemy.orm import Session, aliased, defer
from sqlalchemy.sql.operators import custom_op

from service.errors import JobNotFound
from service.store import cursors, public_ids
from service.store.failures import HANDED_BACK
from service.store.lists import Page
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


class JobsLeft(NamedTuple):
    """How many jobs the next start goes on with: handed back, cut off in training, and others that wait."""

    handed_back: int
    cut_off: int
    waiting: int


class Queue(NamedTuple):
    """How many jobs wait and run, and when the one that has waited longest was queued."""

    queued: int
    running: int
    waiting_since: datetime | None


class Transition(NamedTuple):
    """A change of a job's status."""

    status: str
    at: datetime
    reason: str


class JobVersion(NamedTuple):
    """What identifies all that a job has stored: equal versions have equal rows."""

    key: int
    id: str
    status: str
    revision: int
    step: int
    """Its last row."""


def list_jobs(
    session: Session, wanted: JobFilter, sort: JobSort, limit: int, cursor: str | None
) -> Page[Job]:
    """Return a page of jobs, which does not shift while jobs arrive; raise InvalidCursor."""
    after = None if cursor is None else _place_of(cursor, sort)
    query = _first(session, wanted, sort, limit + 1, after)
    jobs = session.scalars(query.options(defer(Job.init_report))).all()
    if len(jobs) <= limit:
        return Page(jobs, None)
    return Page(jobs[:limit], cursors.encode(f"jobs {sort}", _place(sort, jobs[limit - 1])))


def listed(session: Session, wanted: JobFilter, sort: JobSort, limit: int) -> list[tuple[int, int]]:
    """Return the keys and revisions of the first jobs of a list: this differs after each change of it."""
    first = _first(session, wanted, sort, limit).with_only_columns(Job.key, Job.revision)
    return [(row.key, row.revision) for row in session.execute(first)]


def version_of(session: Session, public_id: str) -> JobVersion:
    """Return the version of a job by its public id; raise JobNotFound."""
    found = None
    if public_ids.is_valid(public_ids.JOB, public_id):
        query = select(Job.key, Job.id, Job.status, Job.revision, Job.step).where(Job.id == public_id)
        found = session.execute(query).one_or_none()
    if found is None:
        raise JobNotFound("there is no job with this id; ids of jobs begin with job_")
    return JobVersion(*found)


def by_ids(session: Session, ids: Collection[str]) -> dict[str, Job]:
    """Return those of these jobs that exist, by id."""
    valid = [public_id for public_id in ids if public_ids.is_valid(public_ids.JOB, public_id)]
    return {job.id: job for job in session.scalars(select(Job).where(Job.id.in_(valid)))}


def status_of(session: Session, key: int) -> str | None:
    """Return the status of a job; None for one that is deleted."""
    return session.scalar(select(Job.status).where(Job.key == key))


def running(session: Session, submission: str | None = None) -> Sequence[Job]:
    """Return the jobs that are running: all, or those of one task."""
    query = select(Job).where(Job.status == "running").order_by(Job.key)
    return session.scalars(query if submission is None else query.where(Job.submission == submission)).all()


def queue(session: Session) -> Queue:
    """Count the jobs that wait and run; a requeued job has waited since it was requeued."""
    counts = _count_open(session)
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


def stopped(session: Session) -> JobsLeft:
    """Count the jobs that a service has left when it has stopped."""
    counts = _count_open(session)
    # A job that has been claimed since has another attempt.
    handed_back = (
        select(func.count())
        .select_from(JobTransition)
        .join(Job, and_(Job.key == JobTransition.job_key, Job.attempt == JobTransition.attempt))
        .where(Job.status == "queued", JobTransition.reason == HANDED_BACK)
    )
    n_handed_back = session.scalar(handed_back) or 0
    return JobsLeft(n_handed_back, counts.get("running", 0), counts.get("queued", 0) - n_handed_back)


def _count_open(session: Session) -> dict[str, int]:
    counts = select(Job.status, func.count()).where(Job.status.in_(("queued", "running")))
    return dict(session.execute(counts.group_by(Job.status)).all())


def latest_moves(session: Session, keys: Collection[int]) -> dict[int, tuple[int, datetime | None]]:
    """Return the attempt of each of these jobs that runs, and when it last stored a span or a heartbeat."""
    rows = session.execute(
        select(Job.key, Job.attempt, Job.moved_at).where(Job.key.in_(keys), Job.status == "running")
    )
    return {key: (attempt, moved_at) for key, attempt, moved_at in rows}


def transitions(session: Session, keys: Collection[int]) -> dict[int, list[Transition]]:
    """Return the transitions of these jobs by their keys, oldest first."""
    query = (
        select(JobTransition.job_key, JobTransition.status, JobTransition.at, JobTransition.reason)
        .where(JobTransition.job_key.in_(keys))
        .order_by(JobTransition.job_key, JobTransition.number)
    )
    found: dict[int, list[Transition]] = {key: [] for key in keys}
    for key, status, at, reason in session.execute(query):
        found[key].append(Transition(status, at, reason))
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


def _place_of(cursor: str, sort: JobSort) -> list[int | float]:
    return cursors.decode(cursor, f"jobs {sort}", len(_order(sort, Job.key.expression)))


def _first(
    session: Session,
    wanted: JobFilter,
    sort: JobSort,
    limit: int,
    after: list[int | float] | None = None,
) -> Select[Job]:
    """Return the query of the first jobs of a list."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    part = partial(_page, sort=sort, after=after, limit=limit, is_sqlite=is_sqlite)
    if len(wanted.status) < 2:
        return part(select(Job), wanted)
    # No index has the jobs of several states in order, so read as many of each.
    each_status = [replace(wanted, status=[status]) for status in sorted(set(wanted.status))]
    parts = [part(select(Job.key), each) for each in each_status]
    keys = union_all(*(select(each.subquery()) for each in parts))
    return _page(select(Job).where(Job.key.in_(keys)), JobFilter(), sort, None, limit)


def _page(
    query: Select[Any],
    wanted: JobFilter,
    sort: JobSort,
    after: Sequence[int | float] | None,
    limit: int,
    is_sqlite: bool = False,
) -> Select[Any]:
    """Choose the first of these jobs in this order, or the first after a place in it."""
    query, key = _filtered(query, wanted, _unselective(wanted) if is_sqlite else ())
    order = _order(sort, key)
    if after is not None:
        place = tuple_(*order)
        query = query.where(place < tuple_(*after) if sort.startswith("-") else place > tuple_(*after))
    directed = [column.desc() if sort.startswith("-") else column.asc() for column in order]
    return query.order_by(*directed).limit(limit)


def _filtered(
    query: Select[Any], wanted: JobFilter, unindexed: Collection[str]
) -> tuple[Select[Any], ColumnElement[int]]:
    """Return the query of these jobs, and the column of their keys in whose order an index has them."""
    key = Job.key.expression
    values = {name: getattr(wanted, name) for name in ("norm", "init", "seed", "label")}
    for name, value in {"status": next(iter(wanted.status), None), **values}.items():
        if value is not None:
            column = getattr(Job, name).expression
            plain = UnaryExpression(column, operator=custom_op("+"), type_=column.type)
            query = query.where((plain if name in unindexed else column) == value)
    if wanted.comparison_id is not None:
        ours = select(Comparison.key).where(Comparison.id == wanted.comparison_id)
        query = query.where(Job.comparison_key == ours.scalar_subquery())
    for name, value in wanted.tags:
        tag = aliased(JobTag)
        query = query.join(tag, and_(tag.job_key == Job.key, tag.name == name, tag.value == value))
        key = tag.job_key.expression
    return query, key


def _unselective(wanted: JobFilter) -> Collection[str]:
    """Return the columns whose index SQLite must not use: it does not know that queued jobs, say, are few."""
    if wanted.label is not None or wanted.comparison_id is not None or wanted.tags:
        return ("status", "norm", "init", "seed")
    if not set(wanted.status).isdisjoint(("queued", "running")):
        return ("norm", "init", "seed")
    return ()


def _order(sort: JobSort, key: ColumnElement[int]) -> list[ColumnElement[Any]]:
    return [key] if sort.endswith("created_at") else [Job.test_accuracy.expression, key]


def _place(sort: JobSort, job: Job) -> list[int | float]:
    return [job.key] if sort.endswith("created_at") else [job.test_accuracy, job.key]
