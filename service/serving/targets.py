"""What the inference protocol calls a model: a served name, or a job, whose versions are its checkpoints."""

import re
from typing import NamedTuple

from sqlalchemy.orm import Session

from service.errors import VersionNotFound
from service.serving.predictor import Served, Which
from service.store import checkpoints, jobs, public_ids, queries, served_models
from service.store.queries import JobFilter

MOST_JOBS = 200


class Target(NamedTuple):
    """A model and one of its versions, as the predictor looks them up."""

    model: str
    which: Which


class Listed(NamedTuple):
    """A model of the list."""

    name: str
    version: str


def target_of(model: str, version: str | None) -> Target:
    """Return what a model and a version name, by default its newest; raise VersionNotFound."""
    if version is not None and not re.fullmatch("[1-9][0-9]{0,8}", version):
        raise VersionNotFound("the model has no such version; GET the model for a list")
    if is_job(model):
        return Target(model, version or "latest")
    return Target(model, None if version is None else int(version))


def is_job(model: str) -> bool:
    """Return whether a model is a job rather than a name."""
    return model.startswith(f"{public_ids.JOB}_")


def version_of(served: Served) -> str:
    """Return the version of a net: that of its name, or else its step."""
    return str(served.step if served.version is None else served.version)


def versions_of(session: Session, model: str) -> list[str]:
    """Return the versions of a model, the oldest first; raise JobNotFound or ModelNotFound."""
    if is_job(model):
        numbers = [each.step for each in checkpoints.list_of(session, jobs.get(session, model))]
    else:
        found = served_models.get(session, model)
        numbers = [each.version for each in served_models.versions(session, found)]
    return [str(number) for number in reversed(numbers)]


def list_models(session: Session) -> list[Listed]:
    """Return all served names, and the newest 200 jobs that succeeded, each with its newest version."""
    names = served_models.list_page(session, served_models.MOST_MODELS, None).items
    succeeded = JobFilter(status=["succeeded"])
    found = queries.list_jobs(session, succeeded, "-created_at", MOST_JOBS, None).items
    return [
        *(Listed(model.name, str(model.newest.version)) for model in names),
        *(Listed(job.id, str(job.step)) for job in found),
    ]
