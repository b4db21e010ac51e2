"""When each owner of jobs was last served: owners take turns, the least recently served first.

An owner is a comparison, by its key; or an API key, by the negative of its number, for all its single jobs;
or `SINGLE_JOBS`, for all that were submitted without an API key. Its turn is the number of the cohort that
was chosen for it last. A new owner comes after every owner but the one that was served last: so it need not
wait for a second cohort of that one, and no stream of new owners can keep an old one waiting.
"""

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from service.store.tables import Job, Turn
from service.store.upserts import insert_if_new, upsert

SINGLE_JOBS = 0
"""It has a turn from the first migration on."""
STEP = 2  # between two cohorts, so that a new owner fits between them

NEWEST = select(func.coalesce(func.max(Turn.turn), 0)).scalar_subquery()


def add_owner(session: Session, owner: int) -> None:
    """Give a new owner its first turn; one that has a turn keeps it."""
    insert_if_new(session, Turn, {"owner": owner, "turn": NEWEST - 1})


def give_to_key(session: Session, job: Job, key_number: int) -> Job:
    """Return a new single job with an API key as its owner; with 0, which is no key, unchanged."""
    if key_number:
        job.owner, job.created_by_key = -key_number, key_number
        add_owner(session, job.owner)
    return job


def serve(session: Session, owner: int) -> None:
    """Note that a cohort of this owner was chosen: all others that wait come before its next one."""
    upsert(session, Turn, {"owner": owner, "turn": NEWEST + STEP})


def forget_ended_owners(session: Session) -> None:
    """Delete the turns of comparisons and API keys without queued or running jobs, except the newest turn."""
    open_owners = select(Job.owner).where(Job.status.in_(("queued", "running")))
    session.execute(
        delete(Turn).where(Turn.owner != SINGLE_JOBS, Turn.turn < NEWEST, Turn.owner.not_in(open_owners))
    )
