"""Metric histories: exact, as pages of JSON, or whole as CSV or NDJSON."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from service.api.metrics import examples
from service.api.metrics.parameters import HISTORY_TYPES, HistoryFormat, Layout, Selection, TheSelection
from service.api.metrics.rows import Rows, as_columns, as_csv, as_ndjson, as_objects, csv_heading
from service.api.metrics.schemas import (
    HistoryBucketColumnPage,
    HistoryBucketPage,
    HistoryColumnPage,
    HistoryRowPage,
)
from service.api.metrics.thinned import TheThinning, ThinnedQuery, respond_thinned
from service.api.shared.conditional import cache_of, etag_of_history, has_current, with_etag
from service.api.shared.dependencies import TheParts
from service.api.shared.downloads import saved_as
from service.api.shared.negotiation import OVERRIDES_ACCEPT, VARY, choose_format
from service.api.shared.openapi import TEXT, UNCHANGED, text_response
from service.api.shared.pagination import link_next
from service.api.shared.parameters import Cursor, JobId
from service.api.shared.problems import problems
from service.api.shared.query import WHOLE
from service.api.shared.scopes import needs
from service.callers import READ
from service.store import cursors, metrics, queries
from service.store.database import Database
from service.store.tables import ENDED

router = APIRouter(tags=["metrics"])

MOST_ROWS_PER_PAGE = 10_000
ROWS_PER_CHUNK = 10_000

RowLimit = Annotated[int, Query(ge=1, le=MOST_ROWS_PER_PAGE, description="Most rows of a JSON page."), WHOLE]


@router.get(
    "/jobs/{job_id}/metrics",
    response_model=HistoryRowPage | HistoryColumnPage | HistoryBucketPage | HistoryBucketColumnPage,
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
@needs(READ)
async def get_metrics(
    request: Request,
    parts: TheParts,
    job_id: JobId,
    selection: TheSelection,
    thin: TheThinning,
    layout: Layout = "rows",
    limit: RowLimit = MOST_ROWS_PER_PAGE,
    cursor: Cursor = None,
    format: Annotated[HistoryFormat | None, Query(description=OVERRIDES_ACCEPT)] = None,  # noqa: A002 # the API's word
) -> Response:
    """Return a job's exact history: a page of JSON, or the whole window as CSV or NDJSON.

    With `max_points`, return the whole window thinned, and say in `thinning` (in CSV and NDJSON the header
    X-Thinning, as JSON) what was kept.
    """
    chosen = choose_format(request, format, HISTORY_TYPES, "json")
    if thin is not None:
        return await respond_thinned(request, parts, job_id, ThinnedQuery(selection, thin, chosen, layout))
    if chosen != "json":
        return await run_in_threadpool(_stream, request, parts.database, job_id, selection, chosen)
    selection = selection.after(cursors.last_step(cursor, f"metrics {job_id}"))
    return await run_in_threadpool(_page, request, parts.database, job_id, selection, layout, limit)


@router.get(
    "/jobs/{job_id}/metrics.csv",
    response_class=Response,
    responses={**text_response(HISTORY_TYPES["csv"], examples.CSV), **problems(404, 503)},
)
@needs(READ)
async def get_metrics_csv(
    request: Request, parts: TheParts, job_id: JobId, selection: TheSelection, thin: TheThinning
) -> Response:
    """Return a job's exact history as CSV, one row per step; with `max_points`, thinned."""
    if thin is not None:
        return await respond_thinned(request, parts, job_id, ThinnedQuery(selection, thin, "csv"))
    return await run_in_threadpool(_stream, request, parts.database, job_id, selection, "csv")


@router.get(
    "/jobs/{job_id}/metrics.ndjson",
    response_class=Response,
    responses={**text_response(HISTORY_TYPES["ndjson"], examples.NDJSON), **problems(404, 503)},
)
@needs(READ)
async def get_metrics_ndjson(
    request: Request, parts: TheParts, job_id: JobId, selection: TheSelection, thin: TheThinning
) -> Response:
    """Return a job's exact history as NDJSON, one line per step; with `max_points`, thinned."""
    if thin is not None:
        return await respond_thinned(request, parts, job_id, ThinnedQuery(selection, thin, "ndjson"))
    return await run_in_threadpool(_stream, request, parts.database, job_id, selection, "ndjson")


def _page(
    request: Request, database: Database, job_id: str, selection: Selection, layout: Layout, limit: int
) -> Response:
    rows: Rows = ()
    with database.reading() as session:
        job = queries.version_of(session, job_id)
        etag = etag_of_history(job, selection, layout, limit)
        if not has_current(request, etag):
            rows = metrics.read(session, job.key, selection.window, limit + 1, selection.keys)
    following = cursors.encode(f"metrics {job_id}", [rows[limit - 1][0]]) if len(rows) > limit else None
    shape = as_columns if layout == "columns" else as_objects
    page = {"items": shape(rows[:limit], selection.keys), "next_cursor": following, "thinning": None}
    response = with_etag(request, etag, page, cache_of(job), headers=VARY)
    return link_next(request, response, following)


def _stream(
    request: Request, database: Database, job_id: str, selection: Selection, chosen: HistoryFormat
) -> Response:
    with database.reading() as session:
        job = queries.version_of(session, job_id)
    etag = etag_of_history(job, selection, chosen)
    if has_current(request, etag):
        return with_etag(request, etag, b"", cache_of(job), headers=VARY)
    chunks = _chunks(database, job.key, selection)
    body = _csv(chunks, selection.keys) if chosen == "csv" else _ndjson(chunks, selection.keys)
    headers = {**VARY, **saved_as(f"{job.id}-metrics.{chosen}"), "Cache-Control": cache_of(job)}
    if job.status in ENDED:
        # While the job runs, rows that it stores during the download come too.
        headers["ETag"] = etag
    return StreamingResponse(body, headers=headers, media_type=HISTORY_TYPES[chosen])


def _chunks(database: Database, job_key: int, selection: Selection) -> Iterator[Rows]:
    """Read the window in pieces, so that no transaction is open while a slow client reads."""
    while True:
        with database.reading() as session:
            rows = metrics.read(session, job_key, selection.window, ROWS_PER_CHUNK, selection.keys)
        if rows:
            yield rows
        if len(rows) < ROWS_PER_CHUNK:
            return
        selection = selection.after(rows[-1][0])


def _csv(chunks: Iterator[Rows], keys: Sequence[str]) -> Iterator[bytes]:
    yield csv_heading(keys)
    yield from map(as_csv, chunks)


def _ndjson(chunks: Iterator[Rows], keys: Sequence[str]) -> Iterator[bytes]:
    for rows in chunks:
        yield as_ndjson(rows, keys)
