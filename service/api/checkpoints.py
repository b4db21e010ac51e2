"""Checkpoints: what there is, and the weights as safetensors bytes."""

import re
from datetime import datetime

from fastapi import APIRouter, Request, Response

from service.api import examples
from service.api.deps import TheDatabase, etag_of, has_current, tagged
from service.api.job_view import Out
from service.api.problems import problems
from service.errors import RangeNotSatisfiable
from service.store import checkpoints, jobs
from service.store.tables import Checkpoint

router = APIRouter(tags=["checkpoints"])

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
SAFETENSORS = "application/vnd.safetensors"


class CheckpointOut(Out):
    """Weights and running statistics after a step; figures that are not finite are null."""

    step: int
    weights_sha256: str
    size_bytes: int
    validation_accuracy: float | None
    validation_loss: float | None
    test_accuracy: float | None
    test_loss: float | None
    created_at: datetime
    links: dict[str, str]


class CheckpointList(Out):
    """All checkpoints that a job has, the newest first."""

    items: list[CheckpointOut]
    next_cursor: str | None


@router.get(
    "/jobs/{job_id}/checkpoints",
    response_model=CheckpointList,
    responses={
        **examples.answer(200, {"items": [examples.CHECKPOINT], "next_cursor": None}),
        **problems(404, 503),
    },
)
def list_checkpoints(request: Request, database: TheDatabase, job_id: str) -> Response:
    """List a job's checkpoints: the newest, as many as it keeps, and the best."""
    with database.reading() as session:
        job = jobs.get(session, job_id)
        items = [_view(job.id, checkpoint) for checkpoint in checkpoints.list_of(session, job)]
    body = CheckpointList(items=items, next_cursor=None).model_dump_json().encode()
    return tagged(request, etag_of(body), body)


@router.get(
    "/jobs/{job_id}/checkpoints/{which}",
    response_model=CheckpointOut,
    responses={**examples.answer(200, examples.CHECKPOINT), **problems(404, 503)},
)
def get_checkpoint(request: Request, database: TheDatabase, job_id: str, which: str) -> Response:
    """Answer one checkpoint: a step, `latest` or `best`."""
    with database.reading() as session:
        job = jobs.get(session, job_id)
        shown = _view(job.id, checkpoints.get(session, job, which))
    return tagged(request, f'"{shown.weights_sha256}"', shown.model_dump_json().encode())


@router.get(
    "/jobs/{job_id}/checkpoints/{which}/weights",
    response_class=Response,
    responses={
        200: {
            "content": {
                SAFETENSORS: {
                    "schema": {"type": "string", "format": "binary"},
                    "examples": examples.elsewhere(f"/jobs/{examples.JOB_ID}/checkpoints/latest/weights"),
                }
            }
        },
        206: {
            "description": "A part",
            "content": {SAFETENSORS: {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(404, 409, 416, 503),
    },
)
def get_weights(request: Request, database: TheDatabase, job_id: str, which: str) -> Response:
    """Answer the bytes of a safetensors file, or a part of them (Range)."""
    with database.reading() as session:
        job = jobs.get(session, job_id)
        checkpoint = checkpoints.get(session, job, which)
        headers = {"ETag": f'"{checkpoint.sha256}"', "Accept-Ranges": "bytes", "Cache-Control": "no-cache"}
        if which.isdigit():
            headers["Cache-Control"] = "private, max-age=31536000, immutable"
        if has_current(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        weights = checkpoints.weights_of(checkpoint)
    part = _part(request.headers.get("range"), len(weights))
    if part is None or request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        return Response(weights, headers=headers, media_type=SAFETENSORS)
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(weights)}"
    return Response(weights[part.start : part.stop], 206, headers, SAFETENSORS)


def _part(header: str | None, size: int) -> range | None:
    """Read a single byte range; None for a header that asks for something else, which may be ignored."""
    found = RANGE.fullmatch(header or "")
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if first and last and int(last) < int(first):
        return None
    if not first:
        part = range(max(0, size - int(last)), size)
    else:
        part = range(int(first), min(int(last) + 1 if last else size, size))
    if not part:
        raise RangeNotSatisfiable(f"the file has {size} bytes")
    return part


def _view(job_id: str, checkpoint: Checkpoint) -> CheckpointOut:
    here = f"/jobs/{job_id}/checkpoints/{checkpoint.step}"
    return CheckpointOut(
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
