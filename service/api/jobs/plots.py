"""The figure of a job, as PNG or SVG."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from analysis.plots import ImageFormat, Theme
from service.api.jobs.examples import JOB_ID
from service.api.shared.conditional import etag_of_history, has_current, with_etag
from service.api.shared.dependencies import Parts, TheParts
from service.api.shared.disconnection import unless_gone
from service.api.shared.figures import FIGURE_TYPES, Background, name_of_figure
from service.api.shared.openapi import Responses, file_response
from service.api.shared.parameters import JobId
from service.api.shared.problems import problems
from service.api.shared.scopes import needs
from service.api.shared.windows import TheWindow
from service.callers import READ
from service.comparing.curves import CurveMetric
from service.histories.figures import draw_job
from service.store import jobs
from service.store.database import Database
from service.store.metrics import Window
from service.store.tables import Job

router = APIRouter(tags=["jobs"])

DrawnMetric = Annotated[
    CurveMetric | None, Query(description="The metric to draw; by default all, loss beside accuracy.")
]


def _responses(image_format: ImageFormat) -> Responses:
    address = f"/jobs/{JOB_ID}/plot.{image_format}"
    return {**file_response(FIGURE_TYPES[image_format], address), **problems(404, 503)}


@router.get("/jobs/{job_id}/plot.png", response_class=Response, responses=_responses("png"))
@needs(READ)
async def get_job_plot_png(
    request: Request,
    parts: TheParts,
    job_id: JobId,
    window: TheWindow,
    metric: DrawnMetric = None,
    theme: Background = "light",
) -> Response:
    """Draw the curves of a job as PNG; equal histories give equal bytes."""
    return await unless_gone(request, _respond(request, parts, job_id, window, metric, theme, "png"))


@router.get("/jobs/{job_id}/plot.svg", response_class=Response, responses=_responses("svg"))
@needs(READ)
async def get_job_plot_svg(
    request: Request,
    parts: TheParts,
    job_id: JobId,
    window: TheWindow,
    metric: DrawnMetric = None,
    theme: Background = "light",
) -> Response:
    """Draw the curves of a job as SVG; equal histories give equal bytes."""
    return await unless_gone(request, _respond(request, parts, job_id, window, metric, theme, "svg"))


async def _respond(
    request: Request,
    parts: Parts,
    job_id: str,
    window: Window,
    metric: CurveMetric | None,
    theme: Theme,
    image_format: ImageFormat,
) -> Response:
    job = await run_in_threadpool(_read, parts.database, job_id)
    etag, content = etag_of_history(job, "plot", window, metric, theme, image_format), b""
    if not has_current(request, etag):
        slices = draw_job(parts.database, job, metric, theme, image_format, window)
        content = await parts.analysis.run(slices, job.step)
    headers = name_of_figure(job.id, image_format)
    return with_etag(request, etag, content, media_type=FIGURE_TYPES[image_format], headers=headers)


def _read(database: Database, job_id: str) -> Job:
    with database.reading() as session:
        return jobs.get(session, job_id)
