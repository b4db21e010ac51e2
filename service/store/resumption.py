"""Where an attempt starts: at the resume state of the last one, or at step 0 where that is damaged.

models/training/loop.py continues from it with the same bits: models/training/streams.py draws each batch from
seed and step alone.
"""

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from service.store.counters import count
from service.store.digests import sha256_hex
from service.store.pins import pinned_steps
from service.store.tables import NOT_EVALUATED, Checkpoint, Job, Metric, ResumeState, Telemetry

OTHER_BUILD = {
    "code": "other_build",
    "message": "attempts computed with different kernels: this run may not be repeatable bit by bit",
}


def load_resume_state(session: Session, job: Job) -> bytes | None:
    """Return the resume state of a job's last step; None where the job starts, or restarts, at step 0.

    A damaged state is deleted with the job's rows: runs are deterministic, so only time is lost. What a model
    serves stays.
    """
    if not job.step:
        return None
    stored = session.get(ResumeState, job.key)
    if stored and stored.step == job.step and sha256_hex(stored.state) == stored.sha256:
        return stored.state
    _restart(session, job)
    return None


def warn_of_other_build(session: Session, job: Job) -> None:
    """Add the warning that a job's attempts computed with different kernels, once."""
    known = job.warnings or []
    job.warnings = known if OTHER_BUILD in known else [*known, OTHER_BUILD]
    session.flush()


def _restart(session: Session, job: Job) -> None:
    count(session, "damaged_resume_states")
    for table in (Metric, Telemetry, ResumeState):
        session.execute(delete(table).where(table.job_key == job.key))
    ours, pinned = Checkpoint.job_key == job.key, pinned_steps(session, job.key)
    session.execute(delete(Checkpoint).where(ours, Checkpoint.step.not_in(pinned)))
    pinned_bytes = session.scalar(select(func.sum(Checkpoint.size_bytes)).where(ours)) or 0
    job.step, job.latest, job.best, job.init_report = 0, None, None, None
    job.test_accuracy, job.size_bytes, job.resumed_step = NOT_EVALUATED, pinned_bytes, 0
    session.flush()
