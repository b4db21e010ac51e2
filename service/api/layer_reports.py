"""What a job tells of its layers: what init did to them, and how they did while they trained."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.api import examples
from service.api.deps import TheDatabase, link_next, tagged
from service.api.job_view import Out
from service.api.problems import problems
from service.store import cursors, jobs, telemetry

router = APIRouter(tags=["layers"])

MOST_ROWS = 1_000


class SummaryOut(Out):
    """Some numbers of a layer; null is not finite."""

    mean: float | None
    std: float | None
    min: float | None
    max: float | None


class LayerInitOut(Out):
    """A layer on the init batch: z over rows and units, gain and shift over units.

    A unit whose input to the gain hardly varies on the batch is degenerate: it keeps its gain.
    """

    layer: str
    z_before: SummaryOut
    z_after: SummaryOut
    gain: SummaryOut
    shift: SummaryOut
    degenerate_units: int


class InitReportOut(Out):
    """What data-dependent initialisation did, layer by layer from the input."""

    job_id: str
    init: bool
    layers: list[LayerInitOut]


class LayerTelemetryOut(Out):
    """A layer after an update, on the batch of that update; null is not finite, or not there."""

    layer: str
    gradient_norm: float | None
    """Length of dL/dW over all weights of the layer."""
    weight_norm: SummaryOut
    """‖v‖ over the units."""
    gain: SummaryOut | None
    """Over the units; null where no gain is trained."""
    effective_step: SummaryOut
    """learning_rate / ‖v‖² over the units."""
    dead_units: float | None
    """Share of units that answered 0 to every row; null but for hidden layers with relu."""
    running_mean_drift: float | None
    """Mean over the units of |batch mean − running mean|; null where nothing runs."""
    running_var_drift: float | None
    """The same of the variance."""


class TelemetryRowOut(Out):
    """The layers after a step, from the input on."""

    step: int
    layers: list[LayerTelemetryOut]


class TelemetryOut(Out):
    """A page of telemetry."""

    items: list[TelemetryRowOut]
    next_cursor: str | None


@router.get(
    "/jobs/{job_id}/init-report",
    responses={**examples.answer(200, examples.INIT_REPORT), **problems(404, 503)},
)
def get_init_report(database: TheDatabase, job_id: str) -> InitReportOut:
    """Answer what init did to each layer; there are no layers without init, or before the first row."""
    with database.reading() as session:
        job = jobs.get(session, job_id)
    return InitReportOut(job_id=job.id, init=job.init, layers=job.init_report or [])


@router.get(
    "/jobs/{job_id}/telemetry",
    response_model=TelemetryOut,
    responses={**examples.answer(200, examples.TELEMETRY), **problems(404, 503)},
)
def get_telemetry(
    request: Request,
    database: TheDatabase,
    job_id: str,
    after_step: Annotated[int, Query(ge=0, le=2**31 - 2)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = MOST_ROWS,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Answer how each layer did at each evaluation; there are rows only for jobs with `telemetry`."""
    name = f"telemetry {job_id}"
    with database.reading() as session:
        job = jobs.get(session, job_id)
        start = max(after_step, cursors.last_step(cursor, name))
        rows = telemetry.read(session, job.key, start, limit + 1)
    items = [TelemetryRowOut(step=row.step, layers=row.layers) for row in rows[:limit]]
    cursor = cursors.encode(name, [items[-1].step]) if len(rows) > limit else None
    body = TelemetryOut(items=items, next_cursor=cursor).model_dump_json().encode()
    return link_next(request, tagged(request, f'"{job.step}-{job.attempt}"', body), cursor)
