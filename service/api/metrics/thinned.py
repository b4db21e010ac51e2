"""Responses with a thinned history, in each format."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from analysis.thinning import Method
from service.api.metrics.buckets import as_bucket_columns, as_bucket_objects, bucket_names
from service.api.metrics.parameters import HISTORY_TYPES, HistoryFormat, Layout, Selection
from service.api.metrics.rows import as_columns, as_csv, as_lines, as_objects, csv_heading
from service.api.shared.conditional import cache_of, etag_of_history, has_current, with_etag
from service.api.shared.dependencies import Parts
from service.api.shared.disconnection import unless_gone
from service.api.shared.downloads import saved_as
from service.api.shared.negotiation import VARY
from service.api.shared.query import WHOLE
from service.errors import FieldError, ValidationFailed
from service.histories.thinned import Thinned, thin_window
from service.serving.pool import finish
from service.store import queries
from service.store.database import Database
from service.store.queries import JobVersion

FEWEST_POINTS, MOST_POINTS = 10, 10_000
MOST_ROWS_AT_ONCE = 20_000
"""Longer windows are read and thinned in the pool for analyses, one at a time."""
RECEIPT = "X-Thinning"

MaxPoints = Annotated[
    int | None,
    Query(
        ge=FEWEST_POINTS,
        le=MOST_POINTS,
        description="Most rows or buckets of the response; by default the history is not thinned.",
    ),
    WHOLE,
]
GivenMethod = Annotated[
    Method | None,
    Query(
        description="How to thin to `max_points`: keep the rows that show the shape of each metric (the "
        "default), keep evenly spaced rows, or sum up consecutive rows in buckets."
    ),
]


@dataclass(frozen=True)
class Thin:
    """How a client wants a history to be thinned."""

    method: Method
    max_points: int


async def read_thinning(
    request: Request, max_points: MaxPoints = None, thinning: GivenMethod = None
) -> Thin | None:
    """Read the thinning of a query, if it asks for one; raise ValidationFailed for a wrong one."""
    if max_points is None:
        if thinning is not None:
            raise _refused("thinning", "needs max_points")
        return None
    for name in ("limit", "cursor"):
        if name in request.query_params:
            raise _refused(name, "must be absent with max_points, whose response has only one page")
    return Thin(thinning or "minmax_lttb", max_points)


TheThinning = Annotated[Thin | None, Depends(read_thinning)]


@dataclass(frozen=True)
class ThinnedQuery:
    """What a client wants to know of a history, and in which form."""

    selection: Selection
    thin: Thin
    format: HistoryFormat
    layout: Layout = "rows"

    def until(self, job: JobVersion) -> Selection:
        """Return the selection without rows that the job stores later, which belong to another version."""
        return self.selection.until(job.step)

    def n_rows(self, job: JobVersion) -> int:
        """Return the most rows that the window has."""
        window = self.until(job).window
        return window.end - window.start + 1

    def compute(self, database: Database, job: JobVersion) -> Generator[int, None, tuple[bytes, str]]:
        """Compute the body and the receipt as JSON, in slices for a pool."""
        selection, thin = self.until(job), self.thin
        found = yield from thin_window(
            database, job.key, selection.window, selection.keys, thin.method, thin.max_points
        )
        body = _body(found, selection.keys, thin.method, self.format, self.layout)
        return body, orjson.dumps(found.receipt).decode()

    def respond(self, request: Request, job: JobVersion, body: bytes = b"", receipt: str = "") -> Response:
        """Return the response, or 304 to a client that has it."""
        headers = {"Cache-Control": cache_of(job), **VARY}
        if receipt and self.format != "json":
            headers |= {RECEIPT: receipt, **saved_as(f"{job.id}-metrics.{self.format}")}
        return with_etag(
            request, self.etag(job), body, media_type=HISTORY_TYPES[self.format], headers=headers
        )

    def etag(self, job: JobVersion) -> str:
        """Return the ETag, for which no row is read."""
        return etag_of_history(job, self)


async def respond_thinned(request: Request, parts: Parts, job_id: str, wanted: ThinnedQuery) -> Response:
    """Return the window with at most `max_points` rows, and the receipt; 304 to a client that has it."""
    job, response = await run_in_threadpool(_respond_if_short, request, parts.database, job_id, wanted)
    return response or await unless_gone(request, _respond_from_pool(request, parts, job, wanted))


def _respond_if_short(
    request: Request, database: Database, job_id: str, wanted: ThinnedQuery
) -> tuple[JobVersion, Response | None]:
    with database.reading() as session:
        job = queries.version_of(session, job_id)
    if has_current(request, wanted.etag(job)):
        return job, wanted.respond(request, job)
    if wanted.n_rows(job) > MOST_ROWS_AT_ONCE:
        return job, None
    return job, wanted.respond(request, job, *finish(wanted.compute(database, job)))


async def _respond_from_pool(
    request: Request, parts: Parts, job: JobVersion, wanted: ThinnedQuery
) -> Response:
    found = await parts.analysis.run(wanted.compute(parts.database, job), wanted.n_rows(job))
    return wanted.respond(request, job, *found)


def _body(
    found: Thinned, keys: Sequence[str], method: Method, chosen: HistoryFormat, layout: Layout
) -> bytes:
    in_buckets = method == "bucket"
    if chosen == "csv":
        heading = csv_heading(bucket_names(keys) if in_buckets else keys)
        return heading + as_csv(found.rows) if found.rows else heading
    if layout == "columns" and chosen == "json":
        items: Any = (as_bucket_columns if in_buckets else as_columns)(found.rows, keys)
    else:
        items = (as_bucket_objects if in_buckets else as_objects)(found.rows, keys)
    if chosen == "ndjson":
        return as_lines(items)
    return orjson.dumps({"items": items, "next_cursor": None, "thinning": found.receipt})


def _refused(name: str, rule: str) -> ValidationFailed:
    return ValidationFailed("parameters do not fit together", [FieldError(f"/{name}", "thinning", rule)])
