"""Served models: names that point at checkpoints. Each change of target is a new version.

Nothing here commits. A transaction locks the job before the name.
"""

import re
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, delete, func, select
from sqlalchemy.orm import Session

from service.errors import (
    CheckpointNotFound,
    FieldError,
    JobNotFound,
    ModelNotFound,
    ModelNotReady,
    TooManyModels,
    VersionCurrent,
    VersionNotFound,
)
from service.store import checkpoints, jobs
from service.store.lists import Page, newest_first
from service.store.locks import lock_jobs
from service.store.served_tables import ModelVersion, ServedModel
from service.store.tables import Checkpoint, Job
from service.store.upserts import insert_if_new

LIST = "models"
MOST_VERSIONS = 100
"""How many versions a name keeps: the newest."""
MOST_MODELS = 1000
NAME = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"


class Version(NamedTuple):
    """A version of a name, and the checkpoint that it serves."""

    version: int
    created_at: datetime
    job_id: str
    step: int
    weights_sha256: str


class Model(NamedTuple):
    """A name with its newest version."""

    key: int
    name: str
    created_at: datetime
    updated_at: datetime
    newest: Version


class Pointed(NamedTuple):
    """A model after a PUT, and whether its target changed."""

    model: Model
    is_new_version: bool


def point(session: Session, name: str, job_id: str, which: str, now: datetime) -> Pointed:
    """Point a name at a checkpoint of a job: a step, `latest` or `best`, as it is now.

    The checkpoint is pinned once the caller commits. Raises JobNotFound, ModelNotReady, CheckpointNotFound,
    CheckpointCorrupt or TooManyModels.
    """
    job = _locked_job(session, job_id)
    checkpoint = _checkpoint(session, job, which)
    model = _locked_model(session, name, now)
    target = job.key, checkpoint.step
    is_new = _target(session, model) != target
    if is_new:
        model.version, model.updated_at = model.version + 1, now
        values = {"model_key": model.key, "version": model.version, "created_at": now}
        session.add(ModelVersion(**values, job_key=job.key, step=checkpoint.step))
        session.flush()
        _forget_oldest(session, model)
    return Pointed(get(session, name), is_new)


def get(session: Session, name: str) -> Model:
    """Return a model by its name; raise ModelNotFound."""
    row = session.execute(_newest().where(ServedModel.name == _known(name))).first()
    if row is None:
        raise _not_found()
    return _model(row)


def versions(session: Session, model: Model) -> list[Version]:
    """Return a model's versions, the newest first, at most 100."""
    query = _versions().where(ModelVersion.model_key == model.key).order_by(ModelVersion.version.desc())
    return [Version(*row) for row in session.execute(query)]


def find_served(session: Session, name: str, version: int | None) -> tuple[Job, Checkpoint, str, int]:
    """Return what a version serves, by default the newest, with the name and the number.

    Raises ModelNotFound or VersionNotFound.
    """
    wanted = ServedModel.version if version is None else version
    query = (
        select(Job, Checkpoint, ServedModel.name, ModelVersion.version)
        .select_from(ServedModel)
        .join(ModelVersion, and_(ModelVersion.model_key == ServedModel.key, ModelVersion.version == wanted))
        .join(Job, Job.key == ModelVersion.job_key)
        .join(Checkpoint, _serves())
        .where(ServedModel.name == _known(name))
    )
    found = session.execute(query).first()
    if found is None:
        get(session, name)
        raise VersionNotFound("the model has no such version; GET the model for a list")
    job, checkpoint, known, number = found
    return job, checkpoint, known, number


def list_page(session: Session, limit: int, cursor: str | None) -> Page[Model]:
    """Return a page of models, the newest first; raise InvalidCursor."""

    def read(query: Select[Any]) -> list[Model]:
        return [_model(row) for row in session.execute(query)]

    return newest_first(_newest(), ServedModel.key, LIST, limit, cursor, read)


def remove(session: Session, name: str) -> int:
    """Delete a model and release its checkpoints; return how many versions it had. Raises ModelNotFound."""
    model = _require_locked(session, name)
    n_versions = session.scalar(select(func.count()).where(ModelVersion.model_key == model.key)) or 0
    session.delete(model)
    session.flush()
    return n_versions


def remove_version(session: Session, name: str, version: int) -> None:
    """Delete a version and release its checkpoint.

    Raises ModelNotFound, VersionNotFound, or VersionCurrent for the newest version.
    """
    model = _require_locked(session, name)
    if version == model.version:
        raise VersionCurrent("the name points at this version; point it elsewhere, or delete the model")
    found = session.get(ModelVersion, (model.key, version))
    if found is None:
        raise VersionNotFound("the model has no such version; GET the model for a list")
    session.delete(found)
    session.flush()


def _known(name: str) -> str:
    """Return a name that a model can have; others need not be looked up."""
    if not re.fullmatch(NAME, name):
        raise _not_found()
    return name


def _not_found() -> ModelNotFound:
    return ModelNotFound("there is no model with this name; GET /models for a list")


def _locked_job(session: Session, job_id: str) -> Job:
    try:
        lock_jobs(session, Job.key == jobs.get(session, job_id).key)
        return jobs.get(session, job_id)  # it may have been changed or deleted before it was locked
    except JobNotFound as error:
        place = FieldError("/job", "not_found", "must be the id of a job")
        raise JobNotFound(error.detail, [place]) from None


def _checkpoint(session: Session, job: Job, which: str) -> Checkpoint:
    checkpoint = checkpoints.find(session, job, which)
    if checkpoint is None and which in {"latest", "best"}:
        raise ModelNotReady(f"the job is {job.status} and has no checkpoint")
    if checkpoint is None:
        place = [FieldError("/checkpoint", "not_found", "must be latest, best or a step with a checkpoint")]
        raise CheckpointNotFound("the job has no checkpoint at this step; GET its checkpoints", place)
    checkpoints.weights_of(checkpoint)
    return checkpoint


def _find_locked(session: Session, name: str) -> ServedModel | None:
    query = select(ServedModel).where(ServedModel.name == name).with_for_update()
    return session.scalar(query.execution_options(populate_existing=True))


def _require_locked(session: Session, name: str) -> ServedModel:
    model = _find_locked(session, _known(name))
    if model is None:
        raise _not_found()
    return model


def _locked_model(session: Session, name: str, now: datetime) -> ServedModel:
    # Another request may add the name, or delete it, between the two statements.
    while (model := _find_locked(session, name)) is None:
        if (session.scalar(select(func.count(ServedModel.key))) or 0) >= MOST_MODELS:
            raise TooManyModels(f"there are {MOST_MODELS} models; delete one first")
        values = {"name": name, "version": 0, "created_at": now, "updated_at": now}
        insert_if_new(session, ServedModel, values)
    return model


def _target(session: Session, model: ServedModel) -> tuple[int, int] | None:
    newest = session.get(ModelVersion, (model.key, model.version))
    return None if newest is None else (newest.job_key, newest.step)


def _forget_oldest(session: Session, model: ServedModel) -> None:
    too_old = ModelVersion.version <= model.version - MOST_VERSIONS
    session.execute(delete(ModelVersion).where(ModelVersion.model_key == model.key, too_old))


def _versions() -> Select[*tuple[Any, ...]]:
    columns = (ModelVersion.version, ModelVersion.created_at, Job.id, Checkpoint.step, Checkpoint.sha256)
    return select(*columns).join(Job, Job.key == ModelVersion.job_key).join(Checkpoint, _serves())


def _serves() -> Any:
    return and_(Checkpoint.job_key == ModelVersion.job_key, Checkpoint.step == ModelVersion.step)


def _newest() -> Select[*tuple[Any, ...]]:
    columns = (ServedModel.key, ServedModel.name, ServedModel.created_at, ServedModel.updated_at)
    is_newest = and_(ServedModel.key == ModelVersion.model_key, ServedModel.version == ModelVersion.version)
    return _versions().join(ServedModel, is_newest).add_columns(*columns)


def _model(row: Any) -> Model:
    version, made_at, job_id, step, weights_sha256, key, name, created_at, updated_at = row
    newest = Version(version, made_at, job_id, step, weights_sha256)
    return Model(key, name, created_at, updated_at, newest)
