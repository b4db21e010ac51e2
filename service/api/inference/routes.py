"""The Open Inference Protocol, except for inference itself: health, metadata, statistics, the index."""

from typing import Any

import orjson
from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from models.specs.spec import N_CLASSES, N_IN
from models.specs.strict import StrictModel
from service.api.shared.bodies import takes_bodies
from service.api.shared.dependencies import Parts, TheDatabase, TheParts
from service.api.shared.problems import InvalidBody
from service.api.shared.scopes import needs
from service.callers import OPEN, READ
from service.comparing.state import RELEASE
from service.errors import VersionNotFound
from service.serving.predictor import Served
from service.serving.targets import Listed, list_models, target_of, version_of, versions_of
from service.serving.tensors import OUTPUTS, PIXELS
from service.store import schema
from service.store.database import Database

router = APIRouter(include_in_schema=False)

SERVER = {
    "name": "normserve",
    "version": RELEASE,
    "extensions": ["binary_tensor_data", "classification", "statistics"],
}
PLATFORM = "normserve"
INPUTS = [{"name": PIXELS, "datatype": "FP32", "shape": [-1, N_IN]}]
TENSORS_OUT = [
    {"name": name, "datatype": datatype, "shape": [-1, N_CLASSES] if datatype == "FP32" else [-1]}
    for name, datatype in OUTPUTS.items()
]


class IndexRequest(StrictModel):
    """Which models to list."""

    ready: bool = False
    """Every model that is listed is ready."""


@router.get("/v2")
@needs(READ)
async def get_server() -> dict[str, Any]:
    """Return the server's name, release and extensions."""
    return SERVER


@router.get("/v2/health/live")
@needs(OPEN)
async def get_server_live() -> dict[str, bool]:
    """Return 200 as long as the process responds."""
    return {"live": True}


@router.get("/v2/health/ready")
@needs(OPEN)
def get_server_ready(database: TheDatabase) -> dict[str, bool]:
    """Return 200 if the service can handle requests."""
    with database.reading() as session:
        schema.require_newest(session.connection())
    return {"ready": True}


@router.get("/v2/models")
@needs(READ)
def list_served_models(database: TheDatabase) -> dict[str, list[str]]:
    """List all served names, and the newest 200 jobs that succeeded."""
    return {"models": [model.name for model in _listed(database)]}


@router.post("/v2/repository/index")
@takes_bodies({"application/json": "max_json_bytes", "": "max_json_bytes"})
@needs(READ)
async def get_repository_index(request: Request, parts: TheParts) -> list[dict[str, str]]:
    """List the same models with their newest versions; all of them are ready."""
    body = await request.body()
    try:
        IndexRequest.model_validate(orjson.loads(body or b"{}"))
    except ValidationError as error:
        raise InvalidBody(error.errors(include_url=False)) from None
    listed = await run_in_threadpool(_listed, parts.database)
    return [{**model._asdict(), "state": "READY", "reason": ""} for model in listed]


@router.get("/v2/models/{model_name}")
@router.get("/v2/models/{model_name}/versions/{version}")
@needs(READ)
def get_model_metadata(database: TheDatabase, model_name: str, version: str | None = None) -> dict[str, Any]:
    """Return the versions of a model, and its inputs and outputs."""
    return {
        "name": model_name,
        "versions": _versions(database, model_name, version),
        "platform": PLATFORM,
        "inputs": INPUTS,
        "outputs": TENSORS_OUT,
    }


@router.get("/v2/models/{model_name}/ready")
@router.get("/v2/models/{model_name}/versions/{version}/ready")
@needs(READ)
def get_model_ready(parts: TheParts, model_name: str, version: str | None = None) -> dict[str, Any]:
    """Return 200 if a model can infer: its net is read, if it is not in memory."""
    served = _served(parts, model_name, version)
    return {"name": model_name, "version": version_of(served), "ready": True}


@router.get("/v2/models/{model_name}/stats")
@router.get("/v2/models/{model_name}/versions/{version}/stats")
@needs(READ)
def get_model_statistics(
    parts: TheParts, model_name: str, version: str | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Return what this process has inferred with a model since it started, per version."""
    known = _versions(parts.database, model_name, version)
    wanted = known if version is None else [version]
    return {"model_stats": parts.inferences.read(model_name, wanted)}


def _listed(database: Database) -> list[Listed]:
    with database.reading() as session:
        return list_models(session)


def _versions(database: Database, model: str, version: str | None) -> list[str]:
    """Return the versions of a model; raise VersionNotFound if the given one is not among them."""
    with database.reading() as session:
        known = versions_of(session, model)
    if version is not None and version not in known:
        raise VersionNotFound("the model has no such version; GET the model for a list")
    return known


def _served(parts: Parts, model: str, version: str | None) -> Served:
    return parts.predictor.get(*target_of(model, version))
