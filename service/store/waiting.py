"""The jobs that wait: those that may be chosen next, and how many there may be.

Every query reads only entries of the index of queued jobs, apart from the jobs that it returns.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, literal_column, select, text
from sqlalchemy.orm import Session, load_only

from service.errors import LargerThanQueue, QueueFull
from service.store.tables import MAX_PRIORITY, MIN_PRIORITY, Job, Turn

N_PRIORITIES = MAX_PRIORITY - MIN_PRIORITY + 1
MOST_OF_OWNER = 256  # queued jobs that are read of an owner, to find those of one shape
QUEUED = Job.status == literal_column("'queued'")
"""As a literal, because SQLite matches no parameter with the condition of an index."""


MOST_SEARCHED = 500  # owners; to read the whole index is faster than so many searches
SEARCH = text(
    f"""
    WITH RECURSIVE levels(priority) AS (
        SELECT MAX(priority) FROM jobs WHERE status = 'queued'
        UNION ALL
        SELECT (SELECT MAX(priority) FROM jobs WHERE status = 'queued' AND priority < levels.priority)
        FROM levels WHERE levels.priority IS NOT NULL
    ), found(priority, owner) AS (
        SELECT priority,
               (SELECT MIN(owner) FROM jobs WHERE status = 'queued' AND jobs.priority = levels.priority)
        FROM levels WHERE priority IS NOT NULL
        UNION ALL
        SELECT priority,
               (SELECT MIN(owner) FROM jobs
                WHERE status = 'queued' AND jobs.priority = found.priority AND jobs.owner > found.owner)
        FROM found WHERE owner IS NOT NULL
    )
    SELECT priority, few.owner, COALESCE(turn, 0) AS turn, 0 AS n_jobs
    FROM (SELECT * FROM found WHERE owner IS NOT NULL LIMIT {MOST_SEARCHED}) AS few
    LEFT JOIN turns ON turns.owner = few.owner
    """  # noqa: S608
)
"""The lines of few owners: the index is searched for the next owner, and the jobs between are not read."""


NO_LIMIT = 2**62  # one more is still a number that both databases take


class Submitter(NamedTuple):
    """Who submits jobs, and how many jobs may then be queued."""

    key_number: int = 0
    """The number of the API key; 0 without one."""
    most_queued: int = NO_LIMIT
    """In all."""
    most_of_key: int = NO_LIMIT
    """Of those that were submitted with this key."""


UNLIMITED = Submitter()


class OwnerLine(NamedTuple):
    """The queued jobs of one owner and priority: how many, and when their owner was last served."""

    priority: int
    owner: int
    turn: int
    n_jobs: int
    """0 where they were not counted."""


class Candidates(NamedTuple):
    """The jobs that the next cohorts are chosen from."""

    jobs: Sequence[Job]
    """The first ones of the owners whose turn is next, with the columns that a plan needs."""
    turns: dict[int, int]
    """When each of these owners was last served."""
    n_waiting: int
    """How many jobs wait, these included, as far as they were counted."""


def candidates(session: Session, besides: Collection[int], cohorts: int, count_up_to: int) -> Candidates:
    """Return the jobs that this many cohorts can be chosen from, except these keys."""
    jobs: list[Job] = []
    turns: dict[int, int] = {}
    for priority, owner, turn, _ in _in_turn(session, N_PRIORITIES * (cohorts + len(besides))):
        found = _first_jobs(session, priority, owner, besides)
        jobs += found
        turns |= {owner: turn} if found else {}
        if len(turns) == cohorts:  # no cohort needs another owner, since each takes one's turn
            break
    n_waiting = _count(session, count_up_to, Job.key.not_in(besides)) if jobs else 0
    return Candidates(jobs, turns, n_waiting)


def lines(session: Session, *which: ColumnElement[bool]) -> Iterator[OwnerLine]:
    """Read and count the lines of these queued jobs; the whole index is read."""
    return (OwnerLine(*row) for row in session.execute(_select_lines(*which)))


def refuse_if_full(session: Session, n_more: int, submitter: Submitter) -> None:
    """Raise QueueFull if the queue has no room for this many more jobs, or not for those of one key.

    On PostgreSQL, others that submit wait for each other where the room may not suffice for all of them.
    """
    if submitter.key_number:
        _refuse_if_key_has_too_many(session, n_more, submitter)
    most_queued = submitter.most_queued
    if n_more > most_queued:
        raise LargerThanQueue(
            f"these are {n_more} jobs, and at most {most_queued} may be queued at once (NORMSERVE_MAX_QUEUED)"
        )
    if _n_since_oldest(session) + n_more > most_queued // 2:
        _wait_for_others(session, "queued jobs")
    if _n_since_oldest(session) + n_more <= most_queued:
        return
    n_queued = _count(session, most_queued + 1)
    if n_queued + n_more > most_queued:
        raise QueueFull(
            f"the queue has {n_queued} jobs and may have at most {most_queued}; {n_more} more do not fit"
        )


def _refuse_if_key_has_too_many(session: Session, n_more: int, submitter: Submitter) -> None:
    most = submitter.most_of_key
    if n_more > most:
        raise LargerThanQueue(
            f"these are {n_more} jobs, and at most {most} of a key may be queued (NORMSERVE_MAX_KEY_QUEUED)"
        )
    _wait_for_others(session, f"queued jobs of key {submitter.key_number}")
    n_queued = _count(session, most + 1, Job.created_by_key == submitter.key_number)
    if n_queued + n_more > most:
        raise QueueFull(
            f"this key has {n_queued} queued jobs and may have at most {most}; {n_more} more do not fit"
        )


def _wait_for_others(session: Session, name: str) -> None:
    """Wait on PostgreSQL for other transactions that have called this with the same name."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def _n_since_oldest(session: Session) -> int:
    """Return how many jobs have arrived since the oldest queued one, without counting: no more are queued."""
    oldest = select(func.min(Job.key)).where(QUEUED).scalar_subquery()
    return session.scalar(select(func.max(Job.key) - oldest + 1)) or 0


def _in_turn(session: Session, most: int) -> list[OwnerLine]:
    """Return the lines whose turn is next, at least `most` if there are so many.

    service/work/plan.py has the same order.
    """
    found = [OwnerLine(*row) for row in session.execute(SEARCH)]
    if len(found) == MOST_SEARCHED:
        return [OwnerLine(*row) for row in session.execute(_select_lines().limit(most))]
    return sorted(found, key=lambda line: (-line.priority, line.turn, line.owner))


def _select_lines(*which: ColumnElement[bool]) -> Select[Any]:
    line = (Job.priority, Job.owner)
    counted = select(*line, func.count().label("n_jobs")).where(QUEUED, *which).group_by(*line).subquery()
    turn = func.coalesce(Turn.turn, 0).label("turn")
    query = select(counted.c.priority, counted.c.owner, turn, counted.c.n_jobs)
    query = query.outerjoin(Turn, Turn.owner == counted.c.owner)
    return query.order_by(counted.c.priority.desc(), turn, counted.c.owner)


def _first_jobs(session: Session, priority: int, owner: int, besides: Collection[int]) -> Sequence[Job]:
    columns = ("key", "step", "deaths_without_progress", "shape", "run_bytes", "priority", "owner")
    query = select(Job).options(load_only(*(getattr(Job, name) for name in columns)))
    query = query.where(QUEUED, Job.priority == priority, Job.owner == owner, Job.key.not_in(besides))
    return session.scalars(query.order_by(Job.key).limit(MOST_OF_OWNER)).all()


def _count(session: Session, most: int, *which: ColumnElement[bool]) -> int:
    some = select(Job.key).where(QUEUED, *which).limit(most).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0
