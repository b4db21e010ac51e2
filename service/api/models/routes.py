"""Served models: point a name at a checkpoint, list, read, delete."""

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from service.api.models import examples
from service.api.models.schemas import (
    DeletedModel,
    DeletedVersion,
    ModelDetails,
    ModelList,
    ModelTarget,
    NewModelName,
    VersionNumber,
)
from service.api.models.views import view_details, view_model
from service.api.shared.conditional import etag_of, with_etag
from service.api.shared.dependencies import TheDatabase, TheParts
from service.api.shared.openapi import conditional_response, json_response, request_example
from service.api.shared.pagination import link_next
from service.api.shared.parameters import Cursor, ModelName, PageLimit
from service.api.shared.problems import problems
from service.api.shared.scopes import needs
from service.callers import ADMIN, READ
from service.errors import FieldError, ValidationFailed
from service.links import link
from service.store import clock, served_models

router = APIRouter(tags=["models"])

IDS = ("job_", "cmp_")
WORDS = {"config", "index", "infer", "models", "ready", "repository", "stats", "versions"}


@router.put(
    "/models/{model_name}",
    response_model=ModelDetails,
    responses={
        **json_response(200, examples.DETAILS),
        201: {"model": ModelDetails, **json_response(201, examples.DETAILS)[201]},
        **problems(404, 409, 415, 503),
    },
)
@needs(ADMIN)
def point_model(
    parts: TheParts,
    model_name: NewModelName,
    target: Annotated[ModelTarget, Body(openapi_examples=request_example(examples.TARGET))],
) -> Response:
    """Point a name at a checkpoint: a new version (201), or nothing if it points there already (200).

    `best` and `latest` are resolved now. The checkpoint is kept as long as the version is.
    """
    _refuse_reserved(model_name)
    with parts.database.writing() as session:
        now = clock.now(session)
        model, is_new = served_models.point(session, model_name, target.job, target.checkpoint, now)
        body = view_details(session, model).model_dump_json()
    parts.predictor.forget({model_name})
    headers = {"Location": link(f"/models/{model_name}")} if is_new else {}
    return Response(body, 201 if is_new else 200, headers, "application/json")


@router.get(
    "/models",
    response_model=ModelList,
    responses={**conditional_response(examples.MODEL_LIST), **problems(503)},
)
@needs(READ)
def list_models(
    request: Request, database: TheDatabase, limit: PageLimit = 20, cursor: Cursor = None
) -> Response:
    """List models, the newest name first."""
    with database.reading() as session:
        page = served_models.list_page(session, limit, cursor)
    shown = ModelList(items=[view_model(model) for model in page.items], next_cursor=page.next_cursor)
    body = shown.model_dump_json().encode()
    return link_next(request, with_etag(request, etag_of(body), body), page.next_cursor)


@router.get(
    "/models/{model_name}",
    response_model=ModelDetails,
    responses={**conditional_response(examples.DETAILS), **problems(404, 503)},
)
@needs(READ)
def get_model(request: Request, database: TheDatabase, model_name: ModelName) -> Response:
    """Return a model with its versions."""
    with database.reading() as session:
        shown = view_details(session, served_models.get(session, model_name))
    body = shown.model_dump_json().encode()
    return with_etag(request, etag_of(body), body)


@router.delete(
    "/models/{model_name}",
    responses={**json_response(200, examples.DELETED), **problems(404, 503)},
)
@needs(ADMIN)
def delete_model(parts: TheParts, model_name: ModelName) -> DeletedModel:
    """Delete a name with its versions; the jobs and their checkpoints stay."""
    with parts.database.writing() as session:
        n_versions = served_models.remove(session, model_name)
    parts.predictor.forget({model_name})
    return DeletedModel(name=model_name, versions=n_versions)


@router.delete(
    "/models/{model_name}/versions/{version}",
    responses={**json_response(200, examples.DELETED_VERSION), **problems(404, 409, 503)},
)
@needs(ADMIN)
def delete_model_version(parts: TheParts, model_name: ModelName, version: VersionNumber) -> DeletedVersion:
    """Delete an older version, so that its job can be deleted; the name itself stays as it is."""
    with parts.database.writing() as session:
        served_models.remove_version(session, model_name, version)
    parts.predictor.forget({model_name})
    return DeletedVersion(name=model_name, version=version)


def _refuse_reserved(name: str) -> None:
    if name.lower().startswith(IDS) or name.lower() in WORDS:
        rule = f"must not begin with {' or '.join(IDS)}, nor be one of: {', '.join(sorted(WORDS))}"
        raise ValidationFailed("the name is reserved", [FieldError("/model_name", "reserved", rule)])
