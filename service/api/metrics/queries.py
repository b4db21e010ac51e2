"""Histories of many jobs in one request: on common steps, one by one or grouped by fields of their specs."""

from collections.abc import Generator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from service.api.metrics import examples
from service.api.metrics.query_schemas import MetricQuery, MetricQueryResult
from service.api.shared.dependencies import Parts, TheParts
from service.api.shared.disconnection import unless_gone
from service.api.shared.openapi import json_response, request_example
from service.api.shared.problems import problems
from service.api.shared.scopes import needs
from service.callers import READ
from service.errors import FieldError, ValidationFailed
from service.histories.aligned import MOST_JOBS, Aligned, JobGroup, group, read_aligned
from service.store import queries
from service.store.database import Database
from service.store.metrics import Window
from service.store.tables import Job

router = APIRouter(tags=["metrics"])


@router.post(
    "/metric-queries",
    response_model=MetricQueryResult,
    responses={**json_response(200, examples.QUERY_RESULT), **problems(415, 503)},
)
@needs(READ)
async def query_metrics(
    request: Request,
    parts: TheParts,
    query: Annotated[MetricQuery, Body(openapi_examples=request_example(examples.QUERY))],
) -> Response:
    """Return metrics of up to 200 jobs on common steps; with `group_by`, the mean and spread of each group.

    It stores nothing. Long histories are thinned to evenly spaced steps, the same for all jobs.
    """
    jobs = await run_in_threadpool(_read_jobs, parts.database, query)
    cost = len(jobs) * len(query.keys) * query.max_points
    return await unless_gone(request, _respond(parts, query, jobs, cost))


async def _respond(parts: Parts, query: MetricQuery, jobs: list[Job], cost: int) -> Response:
    body = await parts.analysis.run(_slices(parts.database, query, jobs), cost)
    return Response(body, media_type="application/json")


def _read_jobs(database: Database, query: MetricQuery) -> list[Job]:
    with database.reading() as session:
        if query.filter is None:
            found = queries.by_ids(session, query.jobs or [])
            unknown = [place for place, job_id in enumerate(query.jobs or []) if job_id not in found]
            if unknown:
                places = [FieldError(f"/jobs/{place}", "unknown_job", "must be a job") for place in unknown]
                raise ValidationFailed("some jobs do not exist", places)
            return [found[job_id] for job_id in query.jobs or []]
        page = queries.list_jobs(session, query.filter.wanted(), "created_at", MOST_JOBS, None)
    if page.next_cursor is not None:
        place = FieldError("/filter", "too_many_jobs", f"must match at most {MOST_JOBS} jobs")
        raise ValidationFailed("the filter matches too many jobs", [place])
    return list(page.items)


def _slices(database: Database, query: MetricQuery, jobs: list[Job]) -> Generator[int, None, bytes]:
    window = Window(query.start_step, query.end_step)
    found = yield from read_aligned(database, jobs, window, query.keys, query.max_points)
    groups = group(jobs, query.group_by) if query.group_by else None
    body = {
        "jobs": [job.id for job in jobs],
        "group_by": query.group_by,
        "metrics": [_metric(each, jobs, groups) for each in found],
    }
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def _metric(found: Aligned, jobs: list[Job], groups: list[JobGroup] | None) -> dict[str, Any]:
    runs = None
    if groups is None:
        runs = [{"job_id": job.id, "values": row} for job, row in zip(jobs, found.values, strict=True)]
    n_out = len(found.steps)
    return {
        "key": found.key,
        "steps": found.steps,
        "thinning": None if n_out == found.n_in else {"method": "stride", "n_in": found.n_in, "n_out": n_out},
        "runs": runs,
        "groups": None if groups is None else [_group(found, each, jobs) for each in groups],
    }


def _group(found: Aligned, each: JobGroup, jobs: list[Job]) -> dict[str, Any]:
    return {
        "fields": each.fields,
        "jobs": [jobs[place].id for place in each.jobs],
        **vars(found.over(each)),
    }
