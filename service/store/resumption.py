"""What an attempt goes on from: the resume state of the last one, or the start where that is damaged."""

from sqlalchemy import delete
from sqlalchemy.orm import Session

from service.store.counters import count
from service.store.digests import sha256_hex
from service.store.tables import Checkpoint, Job, Metric, ResumeState, Telemetry

OTHER_BUILD = {
    "code": "other_build",
    "message": "attempts ran on different torch builds or CPUs: this run may not be repeatable bit by bit",
}


def load_resume_state(session: Session, job: Job) -> bytes | None:
    """Answer the resume state of a job's last step; None where it begins, or has to begin again.

    A damaged state is thrown away with the rows that it belonged to: runs are deterministic and lose only
    time.
    """
    if not job.step:
        return None
    stored = session.get(ResumeState, job.key)
    if stored and stored.step == job.step and sha256_hex(stored.state) == stored.sha256:
        return stored.state
    _start_again(session, job)
    return None


def warn_of_other_build(session: Session, job: Job) -> None:
    """Have a job carry the warning that its attempts ran on unlike machines."""
    known = job.warnings or []
    job.warnings = known if OTHER_BUILD in known else [*known, OTHER_BUILD]
    session.flush()


def _start_again(session: Session, job: Job) -> None:
    count(session, "damaged_resume_states")
    for table in (Metric, Telemetry, Checkpoint, ResumeState):
        session.execute(delete(table).where(table.job_key == job.key))
    job.step, job.latest, job.best, job.test_accuracy, job.init_report = 0, None, None, None, None
    session.flush()
