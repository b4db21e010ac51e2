"""The HTTP application: the routes of every resource, and the middleware around them."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import cache, partial
from importlib.metadata import version
from operator import attrgetter

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from service.api.about import routes as about
from service.api.checkpoints import routes as checkpoints
from service.api.comparisons import curves, plots, reports, robustness, runs, summary
from service.api.comparisons import predictions as comparison_predictions
from service.api.comparisons import routes as comparisons
from service.api.datasets import routes as datasets
from service.api.docs import routes as docs
from service.api.evaluations import routes as evaluations
from service.api.events import routes as events
from service.api.events.schemas import EVENTS
from service.api.exports import routes as exports
from service.api.health import routes as health
from service.api.inference import infer
from service.api.inference import routes as inference
from service.api.jobs import plots as job_plots
from service.api.jobs import routes as jobs
from service.api.layers import routes as layers
from service.api.metrics import queries as metric_queries
from service.api.metrics import routes as metrics
from service.api.models import routes as models
from service.api.monitoring import routes as monitoring
from service.api.monitoring.exposition import Exposition
from service.api.predictions import routes as predictions
from service.api.predictions import several as joint_predictions
from service.api.predictions.schemas import ModelsPredictionRequest, PredictionRequest
from service.api.queue import routes as queue
from service.api.shared.bodies import DEFAULT, declared_limits
from service.api.shared.dependencies import Parts
from service.api.shared.handling import Handling, Handlings
from service.api.shared.measures import Measures, Shared
from service.api.shared.openapi import extend_openapi
from service.api.shared.problems import InvalidBody
from service.api.shared.reads import Reads
from service.api.shared.scopes import declared_scope
from service.api.shared.streams import Streams
from service.api.shared.waiting import Changes
from service.api.shared.writers import Writers
from service.api.webhooks import routes as webhooks
from service.edge.auth import Auth
from service.edge.bodies import Bodies
from service.edge.compression import Compression
from service.edge.cors import Cors
from service.edge.hosts import Hosts
from service.edge.key_ring import KeyRing
from service.edge.operations import Operation, Operations
from service.edge.origins import Origins
from service.edge.problems import Problems, field_errors, render_error, render_http_exception
from service.edge.quotas import Quotas
from service.edge.request_id import RequestId
from service.edge.routing import Head, KnownPaths, Prefix
from service.edge.safe_headers import SafeHeaders
from service.errors import NormserveError, ValidationFailed
from service.histories.aligned import MOST_FIGURES, MOST_JOBS
from service.serving.classifying import Classifier
from service.serving.exporting import Exporter
from service.serving.gallery import Gallery
from service.serving.inference_counts import InferenceCounts
from service.serving.inputs import MAX_DIGITS
from service.serving.pictures import DEFAULT_LIMITS
from service.serving.pool import Pool
from service.serving.predictor import Predictor
from service.serving.warming import Warming
from service.settings import Settings
from service.store.database import Database
from service.web import assets, compare, new_comparison, sign_in, start
from service.web import draw as draw_page
from service.web import job as job_page
from service.web import jobs as jobs_page
from service.web.pages import show_error

RESOURCES = (
    jobs,
    job_plots,
    layers,
    metrics,
    metric_queries,
    events,
    checkpoints,
    predictions,
    evaluations,
    exports,
    joint_predictions,
    models,
    infer,
    inference,
    comparisons,
    comparison_predictions,
    runs,
    summary,
    curves,
    robustness,
    plots,
    reports,
    webhooks,
    queue,
    datasets,
    about,
    health,
    monitoring,
    docs,
    assets,
    sign_in,
    start,
    jobs_page,
    draw_page,
    job_page,
    compare,
    new_comparison,
)
LIMITS = (
    "max_json_bytes",
    "max_comparison_json_bytes",
    "max_predict_json_bytes",
    "max_upload_bytes",
    "max_images",
    "max_written_bytes",
    "max_queued",
    "max_streams",
    "key_requests_per_second",
    "max_key_predictions",
    "max_key_streams",
    "max_key_queued",
)
MOST_WAITING_PIXELS = 2_500_000_000
"""Two of the largest uploads; together they take about a minute of a core."""
MOST_WAITING_STEPS = 100_000_000
"""Steps of the comparisons and jobs whose results wait to be computed; other work counts as so many."""
BODY_SECONDS = 27  # a refused sender is disconnected up to 2 seconds later, so within 30 seconds


def create_app(settings: Settings, shared: Shared | None = None) -> FastAPI:
    """Create the application; it opens its database when it starts.

    With `shared` it counts together with the other api processes of its port.
    """
    app = FastAPI(
        title="normserve",
        version=version("normserve"),
        summary="Trains small nets, serves them, and shows which normalisation is better, and by how much.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=_lifespan,
        routes=_routes(),
        exception_handlers={
            NormserveError: render_error,
            HTTPException: render_http_exception,
            RequestValidationError: _render_invalid,
            InvalidBody: _render_invalid_body,
        },
    )
    app.state.settings = settings
    app.state.measures = Measures(shared)
    app.router.middleware_stack = Handlings(app.router.middleware_stack)
    _check_prefix(app, settings.root_path)
    _add_edge(app, settings)
    extend_openapi(app, [PredictionRequest, ModelsPredictionRequest], EVENTS)
    return app


def _add_edge(app: FastAPI, settings: Settings) -> None:
    """Add what a request passes before the routes."""
    # The last one added is the outermost.
    known = Operations(partial(operations, app))
    app.add_middleware(Bodies, operations=known, deadline_seconds=BODY_SECONDS)
    app.add_middleware(KnownPaths, operations=known)
    app.add_middleware(
        Quotas,
        operations=known,
        requests_per_second=settings.key_requests_per_second,
        most_predictions=settings.max_key_predictions,
    )
    app.add_middleware(Auth, operations=known, ring=lambda: app.state.parts.keys)
    app.add_middleware(Origins, listed=settings.origins)
    app.add_middleware(Compression)
    app.add_middleware(Hosts, names=settings.host_names, takes_addresses=settings.is_open)
    app.add_middleware(Problems, page=show_error)
    app.add_middleware(SafeHeaders)
    app.add_middleware(Head)
    if settings.origins:
        app.add_middleware(Cors, origins=settings.origins)
    app.add_middleware(RequestId, note_end=partial(app.state.measures.note_request, known.find))
    app.add_middleware(Prefix, prefix=settings.root_path)


@cache
def _routes() -> list[BaseRoute]:
    """Build the routes, once per process: FastAPI takes 40 ms for them."""
    router = APIRouter(generate_unique_id_function=attrgetter("name"))
    for resource in RESOURCES:
        router.include_router(resource.router)
    return router.routes


@cache
def _handlings() -> dict[int, Handling]:
    """Prepare the handling of each of these routes, by its id, once per process: that takes 10 ms."""
    return {id(context.original_route): Handling(context) for context in iter_route_contexts(_routes())}


def _check_prefix(app: FastAPI, prefix: str) -> None:
    """Raise NormserveError if a path of ours could be taken for one below the prefix."""
    if prefix and prefix.split("/")[1] in {each.path.split("/")[1] for each in operations(app)}:
        raise NormserveError(f"NORMSERVE_ROOT_PATH: {prefix} begins like a path of the API; choose another")


def operations(app: FastAPI) -> Iterator[Operation]:
    """Yield the operations of each route."""
    for context in iter_route_contexts(app.routes):
        route, path, scope = context.original_route, str(context.path), declared_scope(context.endpoint)
        handling = _handlings().get(id(route)) or Handling(context)
        for method in context.methods or ():
            yield Operation(method, path, _body_limits(route, app.state.settings), handling, scope)


def _body_limits(route: BaseRoute, settings: Settings) -> dict[str, int]:
    """Return the bodies of a route: as declared, or JSON if it only has a body."""
    if not isinstance(route, APIRoute):
        return {}
    names = declared_limits(route.endpoint)
    if names is None:
        names = DEFAULT if route.body_field is not None else {}
    return {kind: getattr(settings, name) for kind, name in names.items()}


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    database = Database(settings.database)
    limits = {name: getattr(settings, name) for name in LIMITS}
    limits |= {"max_query_jobs": MOST_JOBS, "max_query_values": MOST_FIGURES, "max_digits": MAX_DIGITS}
    limits |= {f"max_{name}": value for name, value in asdict(DEFAULT_LIMITS).items()}
    # matplotlib caches its list of fonts there, and warns if the home folder is read-only.
    os.environ.setdefault("MPLCONFIGDIR", str(settings.data_dir / "matplotlib"))
    predictor, gallery = Predictor(database), Gallery(settings.dataset_dir)
    classifier = Classifier(predictor, gallery)
    ring = KeyRing(database, settings.demands_keys)
    note_open = app.state.measures.streams.set
    app.state.parts = parts = Parts(
        database=database,
        predictor=predictor,
        gallery=gallery,
        classifier=classifier,
        exporter=Exporter(classifier),
        pool=Pool("predictions", threads=2, most_waiting=64, most_cost=MOST_WAITING_PIXELS),
        analysis=Pool("analyses", threads=1, most_waiting=16, most_cost=MOST_WAITING_STEPS),
        inferences=InferenceCounts(),
        changes=Changes(database),
        reads=Reads(database),
        streams=Streams(settings.max_streams, settings.max_key_streams, note_open, ring.is_usable),
        writers=Writers(database.writers),
        limits=limits,
        keys=ring,
    )
    app.state.exposition = exposition = Exposition(app.state.measures, database)
    warming = Warming()
    yield
    parts.streams.stop()
    await parts.changes.close()
    await parts.reads.close()
    await parts.keys.close()
    await run_in_threadpool(exposition.close)
    parts.pool.close()
    parts.analysis.close()
    parts.predictor.close()
    await run_in_threadpool(warming.stop)
    database.close()


async def _render_invalid(request: Request, error: RequestValidationError) -> Response:
    return await render_error(request, _invalid(error.errors()))


async def _render_invalid_body(request: Request, error: InvalidBody) -> Response:
    return await render_error(request, _invalid(error.errors))


def _invalid(errors: object) -> ValidationFailed:
    places = field_errors(errors)  # type: ignore[arg-type] # FastAPI types its errors as Any
    return ValidationFailed("some values break a rule; each is named below", places)
