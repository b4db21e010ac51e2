"""Jobs: submit, list, watch, relabel, cancel, delete."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Body, Query, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from models.specs.spec import TrainSpec
from models.specs.written import written_bytes
from service.api.jobs import examples
from service.api.jobs.dry_runs import estimate_job
from service.api.jobs.filters import SortedBy, WantedJobs
from service.api.jobs.schemas import (
    DeletedJob,
    JobChanges,
    JobDetails,
    JobEstimate,
    JobList,
    JobSpec,
    JobSubmission,
)
from service.api.jobs.views import describe_jobs, view_jobs, view_spec
from service.api.shared.budgets import check_written_bytes, submitter_within
from service.api.shared.conditional import etag_of, has_current, with_etag
from service.api.shared.dependencies import TheDatabase, TheParts
from service.api.shared.downloads import shown_as
from service.api.shared.idempotency import Creation, create_once
from service.api.shared.openapi import conditional_response, json_response, request_example
from service.api.shared.pagination import link_next
from service.api.shared.parameters import Cursor, IdempotencyKey, JobId, PageLimit, Wait
from service.api.shared.problems import problems
from service.api.shared.scopes import needs
from service.callers import READ, TRAIN
from service.links import link
from service.store import clock, deletion, idempotency, jobs, queries
from service.store.database import Database
from service.store.tables import ENDED
from service.store.waiting import refuse_if_full

router = APIRouter(tags=["jobs"])


@router.post(
    "/jobs",
    status_code=201,
    response_model=JobDetails,
    responses={
        200: {"model": JobEstimate, **json_response(200, examples.DRY_RUN)[200]},
        **json_response(201, examples.QUEUED),
        **problems(415, 429, 503),
    },
)
@needs(TRAIN)
def submit_job(
    parts: TheParts,
    job: Annotated[JobSubmission, Body(openapi_examples=request_example(examples.SUBMISSION))],
    dry_run: Annotated[bool, Query(description="Whether to return the cost and store nothing.")] = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Submit a job; it is trained as soon as a worker is free and it is its turn.

    With an Idempotency-Key, the same body gets the same response for 24 hours and creates nothing twice.
    With `dry_run`, nothing is stored and the response is an estimate of the job's cost.
    """
    spec = TrainSpec.model_construct(**{name: getattr(job, name) for name in TrainSpec.model_fields})
    check_written_bytes(written_bytes(spec), parts.limits, "/steps", "/checkpoint_every")
    if dry_run:
        idempotency.check_key(idempotency_key)
        with parts.database.reading() as session:
            return Response(estimate_job(session, spec).model_dump_json(), media_type="application/json")

    def create(session: Session) -> Creation:
        submitter = submitter_within(parts.limits)
        refuse_if_full(session, 1, submitter)
        now = clock.now(session)
        row = jobs.submit(session, spec, job.label, job.tags, now, job.priority, submitter.key_number)
        [shown] = view_jobs(session, [row], places=False)
        return Creation(shown.model_dump_json(), link(f"/jobs/{row.id}"))

    return create_once(parts.database, idempotency_key, "submit_job", job, create)


@router.get(
    "/jobs",
    response_model=JobList,
    responses={**conditional_response(examples.JOB_LIST), **problems(503)},
)
@needs(READ)
def list_jobs(
    request: Request,
    database: TheDatabase,
    wanted: WantedJobs,
    sort: SortedBy = "-created_at",
    limit: PageLimit = 20,
    cursor: Cursor = None,
) -> Response:
    """List jobs, the newest first."""
    with database.reading() as session:
        page = queries.list_jobs(session, wanted, sort, limit, cursor)
        shown = {"items": describe_jobs(session, page.items), "next_cursor": page.next_cursor}
    body = orjson.dumps(shown, option=orjson.OPT_UTC_Z)
    return link_next(request, with_etag(request, etag_of(body), body), page.next_cursor)


@router.get(
    "/jobs/{job_id}",
    response_model=JobDetails,
    responses={**conditional_response(examples.JOB), **problems(404, 503)},
)
@needs(READ)
async def get_job(
    request: Request,
    parts: TheParts,
    job_id: JobId,
    wait: Wait = 0,
) -> Response:
    """Return a job; with `wait`, only once it changes, or after at most that many seconds.

    With If-None-Match, that is a change from the version that it names.
    """
    shown, revision = await run_in_threadpool(_read, parts.database, job_id)
    known = request.headers.get("if-none-match")
    if wait and shown.status not in ENDED and (known is None or has_current(request, _etag(shown, revision))):
        await parts.changes.wait(job_id, revision, wait)
        shown, revision = await run_in_threadpool(_read, parts.database, job_id)
    return with_etag(request, _etag(shown, revision), shown.model_dump_json().encode())


@router.get(
    "/jobs/{job_id}/spec",
    response_model=JobSpec,
    responses={**conditional_response(examples.SPEC), **problems(404, 503)},
)
@needs(READ)
def get_job_spec(request: Request, database: TheDatabase, job_id: JobId) -> Response:
    """Return what a job was asked for, as a body that POST /jobs accepts.

    With equal kernels, the job that it submits has bit-identical results.
    """
    with database.reading() as session:
        body = orjson.dumps(view_spec(jobs.get(session, job_id)))
    return with_etag(request, etag_of(body), body, headers=shown_as(f"{job_id}-spec.json"))


@router.patch(
    "/jobs/{job_id}",
    response_model=JobDetails,
    responses={**json_response(200, examples.RELABELLED), **problems(404, 415, 503)},
)
@needs(TRAIN)
def relabel_job(
    database: TheDatabase,
    job_id: JobId,
    changes: Annotated[JobChanges, Body(openapi_examples=request_example(examples.RELABELLING))],
) -> Response:
    """Change a job's label, tags or priority."""
    new = {name: getattr(changes, name) for name in changes.model_fields_set}
    with database.writing() as session:
        [shown] = view_jobs(session, [jobs.relabel(session, job_id, new)])
    return _json(shown)


@router.post(
    "/jobs/{job_id}/cancel",
    response_model=JobDetails,
    responses={
        **json_response(200, examples.CANCELLED),
        **problems(404, 409, 503),
    },
)
@needs(TRAIN)
def cancel_job(database: TheDatabase, job_id: JobId) -> Response:
    """Cancel a job that has not ended; its rows and checkpoints are kept.

    To cancel a cancelled job again changes nothing.
    """
    with database.writing() as session:
        [shown] = view_jobs(session, [jobs.cancel_if_not_ended(session, job_id, clock.now(session))])
    return _json(shown)


@router.delete(
    "/jobs/{job_id}",
    response_model=DeletedJob,
    responses={
        **json_response(200, {"id": examples.JOB["id"], "freed_bytes": 815_000}),
        **problems(404, 409, 503),
    },
)
@needs(TRAIN)
def delete_job(parts: TheParts, job_id: JobId) -> DeletedJob:
    """Delete a job that has ended, with its history and its checkpoints."""
    with parts.database.writing() as session:
        deleted = deletion.delete_job(session, job_id, clock.now(session))
    parts.predictor.forget({job_id})
    return DeletedJob(id=job_id, freed_bytes=deleted.size_bytes)


def _json(shown: JobDetails) -> Response:
    return Response(shown.model_dump_json(), media_type="application/json")


def _read(database: Database, job_id: str) -> tuple[JobDetails, int]:
    with database.reading() as session:
        job = jobs.get(session, job_id)
        return view_jobs(session, [job])[0], job.revision


def _etag(shown: JobDetails, revision: int) -> str:
    return f'"{revision}-{shown.queue_position or 0}"'
