"""What happens to a job: every write of `status`, each guarded and named for its guard.

    queued → running → succeeded | failed | cancelled
    queued → cancelled
    running → queued   (its worker was lost or handed it back)

`now` is an argument everywhere; nothing here commits.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.orm import Session

from models.specs.cautions import cautions
from models.specs.spec import TrainSpec
from service.errors import JobEnded, JobNotFound
from service.failpoints import reach
from service.store import public_ids, tags
from service.store.announcements import announce
from service.store.builds import Build
from service.store.digests import sha256_hex
from service.store.failures import Loss, describe_failure
from service.store.lists import find
from service.store.locks import lock_jobs
from service.store.resumption import load_resume_state, warn_of_other_build
from service.store.tables import Job, JobTransition, ResumeState
from service.store.transitions import note_transitions
from service.store.turns import SINGLE_JOBS, give_to_key

MOST_DEATHS = 3


@dataclass(frozen=True)
class ClaimedJob:
    """A job that a task has claimed: what to train, and where to resume."""

    key: int
    id: str
    attempt: int
    spec: TrainSpec
    step: int
    resume_state: bytes | None


def submit(
    session: Session,
    spec: TrainSpec,
    label: str | None,
    tags: dict[str, str],
    now: datetime,
    priority: int = 0,
    key_number: int = 0,
) -> Job:
    """Add a queued job; it exists once the caller commits."""
    job = give_to_key(session, new(spec, label, tags, now, priority), key_number)
    submit_all(session, [job], now)
    return job


def submit_all(session: Session, created: Sequence[Job], now: datetime) -> None:
    """Add new jobs to the queue, in their order; they exist once the caller commits."""
    session.add_all(created)
    session.flush()
    first = {"number": 1, "status": "queued", "reason": "submitted", "attempt": 0, "at": now}
    session.execute(insert(JobTransition), [{"job_key": job.key, **first} for job in created])
    tags.index(session, {job.key: job.tags for job in created})
    announce(session)


def new(spec: TrainSpec, label: str | None, tags: dict[str, str], now: datetime, priority: int = 0) -> Job:
    """Return a new single job, not yet in the queue."""
    return Job(
        id=public_ids.new(public_ids.JOB),
        spec=spec.model_dump(),
        norm=spec.norm,
        init=spec.init,
        seed=spec.seed,
        steps=spec.steps,
        shape=sha256_hex(spec.shape().encode()) if spec.stacks() else None,
        run_bytes=spec.run_bytes(),
        label=label,
        tags=tags,
        priority=priority,
        owner=SINGLE_JOBS,
        status="queued",
        attempt=0,
        step=0,
        deaths_without_progress=0,
        stop_requested=False,
        warnings=[caution._asdict() for caution in cautions(spec)],
        revision=1,
        created_at=now,
    )


def get(session: Session, public_id: str) -> Job:
    """Return a job by its public id; raise JobNotFound."""
    query = select(Job).where(Job.id == public_id).execution_options(populate_existing=True)
    job = find(session, public_ids.JOB, public_id, query)
    if job is None:
        raise JobNotFound("there is no job with this id; ids of jobs begin with job_")
    return job


def set_submission(session: Session, keys: Collection[int], submission: str) -> None:
    """Store the token of a task that is about to be submitted with its queued jobs."""
    ours = lock_jobs(session, Job.key.in_(keys), Job.status == "queued")
    session.execute(update(Job).where(Job.key.in_(ours)).values(submission=submission))


def claim_if_queued(
    session: Session, key: int, submission: str, build: Build, now: datetime
) -> ClaimedJob | None:
    """Claim a queued job for a task, if the task has the job's newest token; else return None.

    A job whose resume state is damaged restarts at step 0. A job whose spec this release refuses fails.
    """
    earlier = session.scalar(select(Job.kernels_sha256).where(Job.key == key))
    moved = _set_status(
        session,
        key,
        (Job.status == "queued", Job.submission == submission),
        "running",
        "claimed",
        now,
        attempt=Job.attempt + 1,
        started_at=func.coalesce(Job.started_at, now),
        stop_requested=False,
        resumed_step=Job.step,
        attempt_seconds=None,
        **build._asdict(),
    )
    if not moved:
        return None
    job = session.get_one(Job, key, populate_existing=True)
    try:
        spec = TrainSpec.model_validate(job.spec)
    except ValidationError:
        failure = describe_failure("internal", "this release cannot train the stored spec")
        finish_if_running(session, key, job.attempt, now, failure=failure)
        return None
    state = load_resume_state(session, job)
    if state and earlier != build.kernels_sha256:
        warn_of_other_build(session, job)
    return ClaimedJob(key, job.id, job.attempt, spec, job.step, state)


def finish_if_running(
    session: Session,
    key: int,
    attempt: int,
    now: datetime,
    failure: dict[str, Any] | None = None,
    weights_sha256: str | None = None,
) -> bool:
    """End the running attempt, as failed if there is a failure; return whether it was still running."""
    status, reason = ("succeeded", "finished") if failure is None else ("failed", failure["code"])
    guard = (Job.status == "running", Job.attempt == attempt)
    return _end(session, key, guard, status, reason, now, failure=failure, weights_sha256=weights_sha256)


def cancel_if_not_ended(session: Session, public_id: str, now: datetime) -> Job:
    """Cancel a job and keep its rows; raise JobEnded if it has succeeded or failed."""
    job = get(session, public_id)
    _end(session, job.key, (Job.status.in_(("queued", "running")),), "cancelled", "asked for", now)
    reach("in-cancel")
    job = get(session, public_id)
    if job.status != "cancelled":
        raise JobEnded(f"the job has {job.status} and can no longer be cancelled")
    return job


def cancel_all(session: Session, which: ColumnElement[bool], now: datetime) -> None:
    """Cancel those of these jobs that have not ended, and keep their rows."""
    keys = lock_jobs(session, which, Job.status.in_(("queued", "running")))
    session.execute(
        update(Job)
        .where(Job.key.in_(keys))
        .values(status="cancelled", status_reason="asked for", revision=Job.revision + 1, finished_at=now)
        .execution_options(synchronize_session=False)
    )
    session.execute(delete(ResumeState).where(ResumeState.job_key.in_(keys)))
    note_transitions(session, keys, "cancelled", "asked for", now)


def requeue_if_running(session: Session, key: int, attempt: int, reason: str, now: datetime) -> bool:
    """Requeue the job of an attempt that stopped in an orderly way; return whether it was still running."""
    guard = (Job.status == "running", Job.attempt == attempt)
    return _set_status(session, key, guard, "queued", reason, now, submission=None, stop_requested=False)


def requeue_lost(
    session: Session, key: int, attempt: int, since_step: int, loss: Loss, now: datetime
) -> None:
    """Requeue a job whose task is gone, or fail it after three deaths without progress.

    An attempt that stored a step after `since_step` made progress: its death is not counted.
    """
    job = session.get(Job, key, populate_existing=True, with_for_update=True)
    if job is None:
        return
    deaths = 0 if job.step > since_step else job.deaths_without_progress + 1
    guard = (Job.status == "running", Job.attempt == attempt)
    if deaths < MOST_DEATHS:
        values = {"submission": None, "deaths_without_progress": deaths}
        _set_status(session, key, guard, "queued", loss.reason, now, **values)
        return
    message = f"{deaths} workers in a row died with this job before it stored a step"
    failure = describe_failure(loss.code, message, job.step)
    _end(session, key, guard, "failed", loss.code, now, failure=failure, deaths_without_progress=deaths)


def revoke_submission(session: Session, keys: Collection[int], submission: str) -> None:
    """Lock these jobs, and prevent a task from claiming those that it has not claimed yet."""
    lock_jobs(session, Job.key.in_(keys))
    guard = (Job.key.in_(keys), Job.status == "queued", Job.submission == submission)
    session.execute(update(Job).where(*guard).values(submission=None))


def revoke_submissions(session: Session) -> Sequence[int]:
    """Prevent every task from claiming a job that it has not claimed; return the jobs in flight, locked."""
    keys = lock_jobs(session, Job.status.in_(("queued", "running")), Job.submission.is_not(None))
    session.execute(update(Job).where(Job.key.in_(keys), Job.status == "queued").values(submission=None))
    return keys


def request_stop(session: Session) -> None:
    """Ask every running attempt to hand its job back after its span, and let no other start."""
    keys = revoke_submissions(session)
    session.execute(update(Job).where(Job.key.in_(keys), Job.status == "running").values(stop_requested=True))


def relabel(session: Session, public_id: str, changes: dict[str, Any]) -> Job:
    """Change label, tags or priority: a client can change nothing else of a job."""
    changed = update(Job).where(Job.key == get(session, public_id).key)
    session.execute(changed.values(**changes, revision=Job.revision + 1))
    job = get(session, public_id)
    tags.index(session, {job.key: job.tags})
    return job


def _end(
    session: Session,
    key: int,
    guard: tuple[ColumnElement[bool], ...],
    status: str,
    reason: str,
    now: datetime,
    **values: Any,
) -> bool:
    ended = _set_status(session, key, guard, status, reason, now, finished_at=now, **values)
    if ended:
        session.execute(delete(ResumeState).where(ResumeState.job_key == key))
    return ended


def _set_status(
    session: Session,
    key: int,
    guard: tuple[ColumnElement[bool], ...],
    status: str,
    reason: str,
    now: datetime,
    **values: Any,
) -> bool:
    """Write a status if the guard allows it, and note the transition; return whether it did."""
    moved = session.execute(
        update(Job)
        .where(Job.key == key, *guard)
        .values(status=status, status_reason=reason, revision=Job.revision + 1, **values)
        .returning(Job.key)
        .execution_options(synchronize_session=False)
    ).scalar()
    if moved is None:
        return False
    if status == "queued":
        announce(session)
    note_transitions(session, [key], status, reason, now)
    return True
