"""Reports about the layers of a job: what init did to them, and telemetry."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.api.layers import examples
from service.api.layers.schemas import InitReport, LayersAtStep, TelemetryPage
from service.api.shared.conditional import cache_of, etag_of_history, has_current, with_etag
from service.api.shared.dependencies import TheDatabase
from service.api.shared.openapi import conditional_response
from service.api.shared.pagination import link_next
from service.api.shared.parameters import AfterStep, Cursor, JobId
from service.api.shared.problems import problems
from service.api.shared.query import WHOLE
from service.api.shared.scopes import needs
from service.callers import READ
from service.comparing.specs import plan_of
from service.store import cursors, jobs, telemetry

router = APIRouter(tags=["layers"])

MOST_ROWS_PER_PAGE = 1_000

RowLimit = Annotated[int, Query(ge=1, le=MOST_ROWS_PER_PAGE, description="Most rows of the page."), WHOLE]


@router.get(
    "/jobs/{job_id}/init-report",
    response_model=InitReport,
    responses={**conditional_response(examples.INIT_REPORT), **problems(404, 503)},
)
@needs(READ)
def get_init_report(request: Request, database: TheDatabase, job_id: JobId) -> Response:
    """Return what init did to each layer; the list is empty without init, and before the first row."""
    with database.reading() as session:
        job = jobs.get(session, job_id)
    plan = plan_of(job.spec) if job.init_report else None
    left_alone = [layer.name for layer in plan or [] if layer.recurs]
    shown = InitReport(job_id=job.id, init=job.init, layers=job.init_report or [], left_alone=left_alone)
    return with_etag(request, etag_of_history(job), shown.model_dump_json().encode(), cache_of(job))


@router.get(
    "/jobs/{job_id}/telemetry",
    response_model=TelemetryPage,
    responses={**conditional_response(examples.TELEMETRY), **problems(404, 503)},
)
@needs(READ)
def get_telemetry(
    request: Request,
    database: TheDatabase,
    job_id: JobId,
    after_step: AfterStep = None,
    limit: RowLimit = MOST_ROWS_PER_PAGE,
    cursor: Cursor = None,
) -> Response:
    """Return the measurements of each layer, one row per evaluation; only jobs with `telemetry` have rows."""
    name = f"telemetry {job_id}"
    with database.reading() as session:
        job = jobs.get(session, job_id)
        start = max(after_step or 0, cursors.last_step(cursor, name))
        etag = etag_of_history(job, start, limit)
        rows = [] if has_current(request, etag) else telemetry.read(session, job.key, start, limit + 1)
    items = [LayersAtStep(step=row.step, layers=row.layers) for row in rows[:limit]]
    cursor = cursors.encode(name, [items[-1].step]) if len(rows) > limit else None
    body = TelemetryPage(items=items, next_cursor=cursor).model_dump_json().encode()
    response = with_etag(request, etag, body, cache_of(job))
    return link_next(request, response, cursor)
