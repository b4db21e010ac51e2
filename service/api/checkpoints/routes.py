"""Checkpoints: a list, and the weights of each as a safetensors file."""

from fastapi import APIRouter, Request, Response

from service.api.checkpoints import examples
from service.api.checkpoints.schemas import CheckpointDetails, CheckpointList
from service.api.shared.conditional import cache_of, etag_of, has_current, with_etag
from service.api.shared.dependencies import TheDatabase
from service.api.shared.downloads import saved_as
from service.api.shared.openapi import binary, conditional_response, file_response
from service.api.shared.parameters import CheckpointName, JobId
from service.api.shared.problems import problems
from service.api.shared.ranges import RANGES, part_of
from service.api.shared.scopes import needs
from service.callers import READ
from service.links import link
from service.store import checkpoints, jobs
from service.store.tables import Checkpoint

router = APIRouter(tags=["checkpoints"])

SAFETENSORS = "application/vnd.safetensors"


@router.get(
    "/jobs/{job_id}/checkpoints",
    response_model=CheckpointList,
    responses={
        **conditional_response({"items": [examples.CHECKPOINT], "next_cursor": None}),
        **problems(404, 503),
    },
)
@needs(READ)
def list_checkpoints(request: Request, database: TheDatabase, job_id: JobId) -> Response:
    """List a job's checkpoints: the newest (keep_checkpoints of them) and the best, or the last only."""
    with database.reading() as session:
        job = jobs.get(session, job_id)
        items = [_view(job.id, checkpoint) for checkpoint in checkpoints.list_of(session, job)]
    body = CheckpointList(items=items, next_cursor=None).model_dump_json().encode()
    return with_etag(request, etag_of(body), body, cache_of(job))


@router.get(
    "/jobs/{job_id}/checkpoints/{which}",
    response_model=CheckpointDetails,
    responses={**conditional_response(examples.CHECKPOINT), **problems(404, 503)},
)
@needs(READ)
def get_checkpoint(request: Request, database: TheDatabase, job_id: JobId, which: CheckpointName) -> Response:
    """Return one checkpoint: by step, `latest` or `best`."""
    with database.reading() as session:
        job = jobs.get(session, job_id)
        shown = _view(job.id, checkpoints.get(session, job, which))
    etag = _etag(shown.step, shown.weights_sha256)
    return with_etag(request, etag, shown.model_dump_json().encode(), cache_of(job))


@router.get(
    "/jobs/{job_id}/checkpoints/{which}/weights",
    response_class=Response,
    responses={
        **file_response(SAFETENSORS, examples.WEIGHTS_URL),
        206: {"description": "A part", "content": {SAFETENSORS: {"schema": binary(SAFETENSORS)}}},
        **problems(404, 409, 416, 503),
    },
)
@needs(READ)
def get_weights(request: Request, database: TheDatabase, job_id: JobId, which: CheckpointName) -> Response:
    """Return a safetensors file, or the part of it that Range names."""
    with database.reading() as session:
        job = jobs.get(session, job_id)
        checkpoint = checkpoints.get(session, job, which)
        etag = _etag(checkpoint.step, checkpoint.sha256)
        name = saved_as(f"{job.id}-step{checkpoint.step}.safetensors")
        headers = {"ETag": etag, **RANGES, "Cache-Control": cache_of(job), **name}
        if has_current(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        weights = checkpoints.weights_of(checkpoint)
    return part_of(request, Response(weights, headers=headers, media_type=SAFETENSORS))


def _etag(step: int, sha256: str) -> str:
    # Two steps can have equal weights.
    return f'"{step}-{sha256}"'


def _view(job_id: str, checkpoint: Checkpoint) -> CheckpointDetails:
    here = link(f"/jobs/{job_id}/checkpoints/{checkpoint.step}")
    return CheckpointDetails(
        step=checkpoint.step,
        weights_sha256=checkpoint.sha256,
        size_bytes=checkpoint.size_bytes,
        validation_accuracy=checkpoint.validation_accuracy,
        validation_loss=checkpoint.validation_loss,
        test_accuracy=checkpoint.test_accuracy,
        test_loss=checkpoint.test_loss,
        created_at=checkpoint.created_at,
        links={"self": here, "weights": f"{here}/weights"},
    )
