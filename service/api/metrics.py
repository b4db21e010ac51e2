"""Metric histories: exact, in pages of JSON, or whole as CSV and NDJSON."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from models.specs.metrics import MetricRow
from service.api import examples
from service.api.deps import TheDatabase, accepted, has_current, link_next, tagged
from service.api.job_view import MetricOut, Out
from service.api.problems import problems
from service.errors import FieldError, ValidationFailed
from service.store import cursors, jobs, metrics
from service.store.database import Database
from service.store.metrics import Window
from service.store.tables import Metric

router = APIRouter(tags=["metrics"])

KEYS = MetricRow._fields
MOST_ROWS = 10_000
STREAM_ROWS = 2_000

Format = Literal["json", "csv", "ndjson"]
MEDIA_TYPES: dict[str, Format] = {
    "application/json": "json",
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
}


class MetricsOut(Out):
    """A page of a history; `sampling` is null because rows are exact."""

    items: list[MetricOut]
    next_cursor: str | None
    sampling: None


@router.get(
    "/jobs/{job_id}/metrics",
    response_model=MetricsOut,
    responses={
        200: {
            "content": {
                "application/json": {"example": examples.METRICS},
                "text/csv": {"schema": {"type": "string"}},
                "application/x-ndjson": {"schema": {"type": "string"}},
            }
        },
        **problems(404, 503),
    },
)
def get_metrics(
    request: Request,
    database: TheDatabase,
    job_id: str,
    start_step: Annotated[int, Query(ge=1, le=2**31 - 1)] = 1,
    end_step: Annotated[int, Query(ge=1, le=2**31 - 1)] = 2**31 - 1,
    after_step: Annotated[int | None, Query(ge=0, le=2**31 - 2)] = None,
    keys: Annotated[str | None, Query(max_length=200, description="figures, separated by commas")] = None,
    layout: Literal["rows", "columns"] = "rows",
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = MOST_ROWS,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    format: Annotated[Format | None, Query(description="wins over Accept")] = None,  # noqa: A002 # the API's word
) -> Response:
    """Answer a job's exact history: a page of JSON, or the whole window as CSV or NDJSON."""
    shown = _keys(keys)
    if start_step > end_step:
        places = [
            FieldError(f"/{name}", "window", "start_step must not be above end_step") for name in WINDOW
        ]
        raise ValidationFailed("the window is empty", places)
    with database.reading() as session:
        job = jobs.get(session, job_id)
    seen = max(after_step or 0, cursors.last_step(cursor, f"metrics {job_id}"))
    window = Window(max(start_step, seen + 1), end_step)
    chosen = format or accepted(request, MEDIA_TYPES, "json")
    if chosen != "json":
        return _stream(database, job.key, window, shown, chosen)
    etag = f'"{job.step}-{job.attempt}"'
    if has_current(request, etag):
        return tagged(request, etag, b"")
    with database.reading() as session:
        rows = metrics.read(session, job.key, window, limit + 1)
    following = cursors.encode(f"metrics {job_id}", [rows[limit - 1].step]) if len(rows) > limit else None
    items = [_row(row, shown) for row in rows[:limit]]
    shaped: Any = items
    if layout == "columns":
        shaped = {key: [item[key] for item in items] for key in (*shown, "non_finite")}
    answer = tagged(request, etag, {"items": shaped, "next_cursor": following, "sampling": None})
    answer.headers["Vary"] = "Accept"
    return link_next(request, answer, following)


WINDOW = ("start_step", "end_step")


def _keys(keys: str | None) -> Sequence[str]:
    if keys is None:
        return KEYS
    wanted = keys.split(",")
    if not set(wanted) <= set(KEYS):
        raise ValidationFailed("keys", [FieldError("/keys", "keys", f"must be some of: {', '.join(KEYS)}")])
    return [key for key in KEYS if key == "step" or key in wanted]


def _row(row: Metric, keys: Sequence[str]) -> dict[str, Any]:
    return {**{key: getattr(row, key) for key in keys}, "non_finite": (row.non_finite or "").split()}


def _stream(database: Database, job_key: int, window: Window, keys: Sequence[str], chosen: str) -> Response:
    media_type = next(name for name, value in MEDIA_TYPES.items() if value == chosen)
    write = _csv if chosen == "csv" else _ndjson
    chunks = (write(rows, keys) for rows in _chunks(database, job_key, window))
    heading = [f"{','.join((*keys, 'non_finite'))}\r\n".encode()] if chosen == "csv" else []

    def body() -> Iterator[bytes]:
        yield from heading
        yield from chunks

    return StreamingResponse(body(), headers={"Vary": "Accept"}, media_type=media_type)


def _chunks(database: Database, job_key: int, window: Window) -> Iterator[Sequence[Metric]]:
    """Read the window piece by piece: no transaction is open while a client takes its time."""
    start = window.start
    while True:
        with database.reading() as session:
            rows = metrics.read(session, job_key, Window(start, window.end), STREAM_ROWS)
        if not rows:
            return
        yield rows
        start = rows[-1].step + 1


def _csv(rows: Sequence[Metric], keys: Sequence[str]) -> bytes:
    lines = (
        ",".join(
            "" if value is None else str(value)
            for value in (*(getattr(row, key) for key in keys), row.non_finite)
        )
        for row in rows
    )
    return "".join(f"{line}\r\n" for line in lines).encode()


def _ndjson(rows: Sequence[Metric], keys: Sequence[str]) -> bytes:
    return b"".join(orjson.dumps(_row(row, keys)) + b"\n" for row in rows)
