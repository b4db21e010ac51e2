"""Metric histories: exact, as pages of JSON, or whole as CSV or NDJSON."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from models.specs.metrics import MetricRow
from service.api.metrics import examples
from service.api.metrics.schemas import HistoryColumnPage, HistoryRowPage
from service.api.shared.conditional import cache_of, etag_of_history, has_current, with_etag
from service.api.shared.csv_tables import write_table
from service.api.shared.dependencies import TheDatabase
from service.api.shared.downloads import saved_as
from service.api.shared.negotiation import OVERRIDES_ACCEPT, VARY, choose_format
from service.api.shared.openapi import TEXT, UNCHANGED, text_response
from service.api.shared.pagination import link_next
from service.api.shared.parameters import AfterStep, Cursor, JobId
from service.api.shared.problems import problems
from service.api.shared.query import WHOLE
from service.errors import FieldError, ValidationFailed
from service.store import cursors, jobs, metrics
from service.store.database import Database
from service.store.metrics import Window
from service.store.tables import ENDED, Job, Metric

router = APIRouter(tags=["metrics"])

KEYS = MetricRow._fields
_KEY = "|".join(KEYS)
MOST_ROWS_PER_PAGE = 10_000
ROWS_PER_CHUNK = 2_000
LAST_STEP = 2**31 - 1

FirstStep = Annotated[int, Query(ge=1, le=LAST_STEP, description="First step to return."), WHOLE]
LastStep = Annotated[int, Query(ge=1, le=LAST_STEP, description="Last step to return."), WHOLE]
Keys = Annotated[
    str | None,
    Query(
        max_length=200,
        json_schema_extra={"pattern": f"^ *({_KEY}) *(, *({_KEY}) *)*$"},
        description="The metrics to return, separated by commas; by default all.",
    ),
]
Layout = Annotated[
    Literal["rows", "columns"],
    Query(description="Whether `items` of JSON are rows, or one object with a list per metric."),
]
RowLimit = Annotated[int, Query(ge=1, le=MOST_ROWS_PER_PAGE, description="Most rows of a JSON page."), WHOLE]
HistoryFormat = Literal["json", "csv", "ndjson"]
HISTORY_TYPES: dict[HistoryFormat, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
}


@router.get(
    "/jobs/{job_id}/metrics",
    response_model=HistoryRowPage | HistoryColumnPage,
    responses={
        200: {
            "content": {
                "application/json": {"example": examples.METRICS},
                "text/csv": {"schema": TEXT, "example": examples.CSV},
                "application/x-ndjson": {"schema": TEXT, "example": examples.NDJSON},
            }
        },
        **UNCHANGED,
        **problems(404, 503),
    },
)
def get_metrics(
    request: Request,
    database: TheDatabase,
    job_id: JobId,
    start_step: FirstStep = 1,
    end_step: LastStep = LAST_STEP,
    after_step: AfterStep = None,
    keys: Keys = None,
    layout: Layout = "rows",
    limit: RowLimit = MOST_ROWS_PER_PAGE,
    cursor: Cursor = None,
    format: Annotated[HistoryFormat | None, Query(description=OVERRIDES_ACCEPT)] = None,  # noqa: A002 # the API's word
) -> Response:
    """Return a job's exact history: a page of JSON, or the whole window as CSV or NDJSON."""
    shown = _keys(keys)
    _check_window(start_step, end_step)
    with database.reading() as session:
        job = jobs.get(session, job_id)
    seen = max(after_step or 0, cursors.last_step(cursor, f"metrics {job_id}"))
    window = Window(max(start_step, seen + 1), end_step)
    chosen = choose_format(request, format, HISTORY_TYPES, "json")
    etag = etag_of_history(job, window, shown, layout, limit, chosen)
    if has_current(request, etag):
        return with_etag(request, etag, b"", cache_of(job), headers=VARY)
    if chosen != "json":
        return _stream(database, job, window, shown, chosen, etag)
    with database.reading() as session:
        rows = metrics.read(session, job.key, window, limit + 1)
    following = cursors.encode(f"metrics {job_id}", [rows[limit - 1].step]) if len(rows) > limit else None
    items = [_row(row, shown) for row in rows[:limit]]
    shaped: Any = items
    if layout == "columns":
        shaped = {key: [item[key] for item in items] for key in (*shown, "non_finite")}
    page = {"items": shaped, "next_cursor": following, "thinning": None}
    response = with_etag(request, etag, page, cache_of(job), headers=VARY)
    return link_next(request, response, following)


@router.get(
    "/jobs/{job_id}/metrics.csv",
    response_class=Response,
    responses={**text_response(HISTORY_TYPES["csv"], examples.CSV), **problems(404, 503)},
)
def get_metrics_csv(
    request: Request,
    database: TheDatabase,
    job_id: JobId,
    start_step: FirstStep = 1,
    end_step: LastStep = LAST_STEP,
    after_step: AfterStep = None,
    keys: Keys = None,
) -> Response:
    """Return a job's exact history as CSV, one row per step."""
    return get_metrics(request, database, job_id, start_step, end_step, after_step, keys, format="csv")


@router.get(
    "/jobs/{job_id}/metrics.ndjson",
    response_class=Response,
    responses={**text_response(HISTORY_TYPES["ndjson"], examples.NDJSON), **problems(404, 503)},
)
def get_metrics_ndjson(
    request: Request,
    database: TheDatabase,
    job_id: JobId,
    start_step: FirstStep = 1,
    end_step: LastStep = LAST_STEP,
    after_step: AfterStep = None,
    keys: Keys = None,
) -> Response:
    """Return a job's exact history as NDJSON, one line per step."""
    return get_metrics(request, database, job_id, start_step, end_step, after_step, keys, format="ndjson")


def _keys(keys: str | None) -> Sequence[str]:
    if keys is None:
        return KEYS
    wanted = [key.strip() for key in keys.split(",")]
    if not set(wanted) <= set(KEYS):
        place = FieldError("/keys", "keys", f"must be some of: {', '.join(KEYS)}")
        raise ValidationFailed("a key is not a metric of the history", [place])
    return [key for key in KEYS if key == "step" or key in wanted]


def _check_window(start_step: int, end_step: int) -> None:
    if start_step > end_step:
        rule = "start_step must not be above end_step"
        places = [FieldError(f"/{name}", "window", rule) for name in ("start_step", "end_step")]
        raise ValidationFailed("the window is empty", places)


def _row(row: Metric, keys: Sequence[str]) -> dict[str, Any]:
    return {**{key: getattr(row, key) for key in keys}, "non_finite": (row.non_finite or "").split()}


def _stream(
    database: Database, job: Job, window: Window, keys: Sequence[str], chosen: HistoryFormat, etag: str
) -> Response:
    chunks = _chunks(database, job.key, window)
    body = _csv(chunks, keys) if chosen == "csv" else _ndjson(chunks, keys)
    headers = {**VARY, **saved_as(f"{job.id}-metrics.{chosen}"), "Cache-Control": cache_of(job)}
    if job.status in ENDED:
        # While the job runs, rows that it stores during the download come too.
        headers["ETag"] = etag
    return StreamingResponse(body, headers=headers, media_type=HISTORY_TYPES[chosen])


def _chunks(database: Database, job_key: int, window: Window) -> Iterator[Sequence[Metric]]:
    """Read the window in pieces, so that no transaction is open while a slow client reads."""
    start = window.start
    while True:
        with database.reading() as session:
            rows = metrics.read(session, job_key, Window(start, window.end), ROWS_PER_CHUNK)
        if not rows:
            return
        yield rows
        start = rows[-1].step + 1


def _csv(chunks: Iterator[Sequence[Metric]], keys: Sequence[str]) -> Iterator[bytes]:
    columns = (*keys, "non_finite")
    yield write_table(columns, [])
    for rows in chunks:
        yield write_table(
            columns, ({key: getattr(row, key) for key in columns} for row in rows), heading=False
        )


def _ndjson(chunks: Iterator[Sequence[Metric]], keys: Sequence[str]) -> Iterator[bytes]:
    for rows in chunks:
        yield b"".join(orjson.dumps(_row(row, keys)) + b"\n" for row in rows)
