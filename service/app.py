"""The HTTP application: rooms put together, the edge around them."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from service.api import (
    checkpoints,
    comparisons,
    curves,
    datasets,
    docs,
    facts,
    figures,
    health,
    jobs,
    layer_reports,
    metrics,
    predict,
    queue,
    reports,
    robustness,
    summary,
)
from service.api.deps import InvalidBody, Parts, refuse_unknown_query
from service.api.problems import Problem
from service.api.waiting import Changes
from service.edge.bodies import Bodies, BodyRule
from service.edge.problems import Problems, field_errors, render_error, render_http_exception
from service.edge.request_id import RequestId
from service.errors import NormserveError, ValidationFailed
from service.serving.gallery import Gallery
from service.serving.pictures import DEFAULT_LIMITS
from service.serving.pool import Pool
from service.serving.predictor import Predictor
from service.settings import Settings
from service.store.database import Database

ROOMS = (
    jobs,
    layer_reports,
    metrics,
    checkpoints,
    predict,
    comparisons,
    summary,
    curves,
    robustness,
    figures,
    reports,
    queue,
    datasets,
    facts,
    health,
    docs,
)
LIMITS = (
    "max_json_bytes",
    "max_comparison_json_bytes",
    "max_predict_json_bytes",
    "max_upload_bytes",
    "max_images",
)
BODY_SECONDS = 28  # and up to 2 more until a refused sender is hung up on


def create_app(settings: Settings) -> FastAPI:
    """Put the application together; it opens its database when it starts."""
    app = FastAPI(
        title="normserve",
        version=version("normserve"),
        summary="Trains small nets, serves them, and tells which normalisation is better, by how much.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        dependencies=[Depends(refuse_unknown_query)],
        middleware=[
            Middleware(RequestId),
            Middleware(Problems),
            Middleware(Bodies, rules=body_rules(settings), deadline_seconds=BODY_SECONDS),
        ],
        exception_handlers={
            NormserveError: render_error,
            HTTPException: render_http_exception,
            RequestValidationError: _render_invalid,
            InvalidBody: _render_invalid_body,
        },
    )
    app.state.settings = settings
    for room in ROOMS:
        app.include_router(room.router)
    _share_problem_schema(app)
    return app


def body_rules(settings: Settings) -> list[BodyRule]:
    """Name every operation that takes a body; all others take none."""
    json = {"application/json": settings.max_json_bytes}
    comparison = {"application/json": settings.max_comparison_json_bytes}
    pictures = ("multipart/form-data", "image/png", "image/jpeg")
    prediction = {
        "application/json": settings.max_predict_json_bytes,
        **dict.fromkeys(pictures, settings.max_upload_bytes),
    }
    return [
        BodyRule("POST", "/jobs", json),
        BodyRule("PATCH", "/jobs/{job_id}", json),
        BodyRule("POST", "/jobs/{job_id}/predict", prediction),
        BodyRule("POST", "/comparisons", comparison),
        BodyRule("POST", "/comparisons/{comparison_id}/extend", comparison),
    ]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    database = Database(settings.database)
    limits = {name: getattr(settings, name) for name in LIMITS}
    limits |= {f"max_{name}": value for name, value in asdict(DEFAULT_LIMITS).items()}
    # matplotlib keeps its list of fonts there; a home that cannot be written to makes it complain.
    os.environ.setdefault("MPLCONFIGDIR", str(settings.data_dir / "matplotlib"))
    app.state.parts = parts = Parts(
        database=database,
        predictor=Predictor(database),
        gallery=Gallery(settings.dataset_dir),
        pool=Pool("predictions", threads=2, most_waiting=64),
        analysis=Pool("analyses", threads=1, most_waiting=16),
        changes=Changes(database),
        limits=limits,
    )
    yield
    parts.pool.close()
    parts.analysis.close()
    database.close()


async def _render_invalid(request: Request, error: RequestValidationError) -> Response:
    return await render_error(request, _invalid(error.errors()))


async def _render_invalid_body(request: Request, error: InvalidBody) -> Response:
    return await render_error(request, _invalid(error.errors))


def _invalid(errors: object) -> ValidationFailed:
    places = field_errors(errors)  # type: ignore[arg-type] # FastAPI types its errors as Any
    return ValidationFailed("some values break a rule; each is named below", places)


def _share_problem_schema(app: FastAPI) -> None:
    """Put the one schema of errors into OpenAPI, in place of FastAPI's own."""
    make = app.openapi

    def openapi() -> dict[str, object]:
        schema = make()
        schemas = schema["components"]["schemas"]
        if "Problem" not in schemas:
            definition = Problem.model_json_schema(
                ref_template="#/components/schemas/{model}", mode="serialization"
            )
            schemas |= definition.pop("$defs")
            schemas["Problem"] = definition
            body = predict.PredictIn.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas["PredictIn"] = body
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            _restore_examples(schema["paths"])
        return schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend it


def _restore_examples(paths: dict[str, Any]) -> None:
    """Put the examples of answers back whole: FastAPI leaves out the members that are null."""
    routes = [route for room in ROOMS for route in room.router.routes if isinstance(route, APIRoute)]
    for route in (route for route in routes if route.include_in_schema):
        shown = paths[route.path][min(route.methods or ()).lower()]["responses"]
        for status, answer in route.responses.items():
            example = answer["content"].get("application/json", {}).get("example")
            if example is not None:
                shown[str(status)]["content"]["application/json"]["example"] = example
