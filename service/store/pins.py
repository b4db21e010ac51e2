"""Which checkpoints the versions of served models pin: nothing deletes these, nor their jobs."""

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from service.errors import JobInUse
from service.store.served_tables import ModelVersion, ServedModel
from service.store.tables import Job


def pinned_steps(session: Session, job_key: int) -> set[int]:
    """Return the steps of a job's pinned checkpoints; none is added while the job is locked."""
    return set(session.scalars(select(ModelVersion.step).where(ModelVersion.job_key == job_key)))


def is_pinned() -> ColumnElement[bool]:
    """Return the condition that a version serves a checkpoint of a job."""
    return exists().where(ModelVersion.job_key == Job.key)


def refuse_if_pinned(session: Session, which: ColumnElement[bool], what: str) -> None:
    """Raise JobInUse, which names the model, if a version serves a checkpoint of one of these locked jobs.

    `what` is what cannot be deleted, such as "the job".
    """
    query = (
        select(ServedModel.name, ModelVersion.version)
        .join(ModelVersion, ModelVersion.model_key == ServedModel.key)
        .join(Job, Job.key == ModelVersion.job_key)
        .where(which)
        .order_by(ServedModel.key, ModelVersion.version)
        .limit(1)
    )
    found = session.execute(query).first()
    if found is not None:
        raise JobInUse(
            f"version {found.version} of the model {found.name} serves {what}; delete this version or the "
            f"model before you delete {what}"
        )
