"""Served models from the database as clients see them."""

from datetime import UTC

from sqlalchemy.orm import Session

from service.api.models.schemas import ModelDetails, ModelVersion, ServedModel
from service.links import link
from service.store import served_models
from service.store.served_models import Model, Version


def view_model(model: Model) -> ServedModel:
    """Show a model with what its newest version serves."""
    return ServedModel(**_facts(model))


def view_details(session: Session, model: Model) -> ModelDetails:
    """Show a model with its versions."""
    versions = [_version(each) for each in served_models.versions(session, model)]
    return ModelDetails(**_facts(model), versions=versions)


def _facts(model: Model) -> dict[str, object]:
    here, newest = link(f"/models/{model.name}"), model.newest
    return {
        "name": model.name,
        "version": newest.version,
        "job_id": newest.job_id,
        "step": newest.step,
        "weights_sha256": newest.weights_sha256,
        "created_at": model.created_at.astimezone(UTC),
        "updated_at": model.updated_at.astimezone(UTC),
        "links": {"self": here, "predict": f"{here}/predict", "job": link(f"/jobs/{newest.job_id}")},
    }


def _version(version: Version) -> ModelVersion:
    return ModelVersion(**{**version._asdict(), "created_at": version.created_at.astimezone(UTC)})
