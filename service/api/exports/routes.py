"""Exports: a trained net as a file for other programs, and how close its outputs are to ours."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.api.exports import examples
from service.api.exports.schemas import ExportReceipt
from service.api.shared.by_checkpoint import CheckpointQuestion, Computed, facts_of, respond
from service.api.shared.dependencies import TheParts
from service.api.shared.downloads import saved_as
from service.api.shared.negotiation import OVERRIDES_ACCEPT, VARY, choose_format
from service.api.shared.openapi import UNCHANGED, binary, conditional_response, external_example
from service.api.shared.parameters import ChosenCheckpoint, JobId
from service.api.shared.problems import problems
from service.api.shared.ranges import RANGES, part_of
from service.api.shared.scopes import needs
from service.callers import READ
from service.links import link
from service.serving.exporting import ExportFormat
from service.serving.pool import Slices
from service.serving.predictor import Subject

router = APIRouter(tags=["exports"])

FILE_TYPES: dict[ExportFormat, str] = {
    "safetensors": "application/vnd.safetensors",
    "onnx": "application/octet-stream",
}
CONTENT = {media_type: {"schema": binary(media_type)} for media_type in FILE_TYPES.values()}
WITH_EXAMPLES = {
    media_type: {**each, "examples": external_example(examples.EXPORT_URL)}
    for media_type, each in CONTENT.items()
}


@router.get(
    "/jobs/{job_id}/export",
    response_class=Response,
    responses={
        200: {"content": WITH_EXAMPLES},
        206: {"description": "A part", "content": CONTENT},
        **UNCHANGED,
        **problems(404, 409, 416, 503),
    },
)
@needs(READ)
async def get_export(
    request: Request,
    parts: TheParts,
    job_id: JobId,
    checkpoint: ChosenCheckpoint = "latest",
    format: Annotated[ExportFormat | None, Query(description=OVERRIDES_ACCEPT)] = None,  # noqa: A002 # the API's word
) -> Response:
    """Return a net with its norms folded into the weights where that is possible, as safetensors or ONNX.

    The file's metadata has the spec and the receipt. The input of the ONNX model is `pixels` [N, 784] from 0
    to 1, its outputs are `logits` and `probabilities` [N, 10], all in float32.
    """
    chosen = choose_format(request, format, FILE_TYPES, "safetensors")

    def compute() -> Slices[Computed]:
        subject, content = yield from parts.exporter.export(job_id, checkpoint, chosen)
        return [subject], content

    def name(subject: Subject) -> dict[str, str]:
        end = "folded.safetensors" if chosen == "safetensors" else "folded.onnx"
        return saved_as(f"{subject.job_id}-step{subject.step}-{end}")

    def cost(subjects: Sequence[Subject]) -> int:
        return parts.exporter.cost(subjects[0])

    question = CheckpointQuestion(
        [(job_id, checkpoint)], ("export", chosen), FILE_TYPES[chosen], name, {**VARY, **RANGES}
    )
    return part_of(request, await respond(request, parts, question, compute, cost))


@router.get(
    "/jobs/{job_id}/export/receipt",
    response_model=ExportReceipt,
    responses={**conditional_response(examples.RECEIPT), **problems(404, 409, 503)},
)
@needs(READ)
async def get_export_receipt(
    request: Request, parts: TheParts, job_id: JobId, checkpoint: ChosenCheckpoint = "latest"
) -> Response:
    """Compare an exported net with the predictor of the service on the first 1,000 test images."""
    here = link(f"/jobs/{job_id}/export")

    def compute() -> Slices[Computed]:
        subject, receipt = yield from parts.exporter.receipt(job_id, checkpoint)
        links = {each: f"{here}?format={each}&checkpoint={subject.step}" for each in FILE_TYPES}
        found = {**facts_of(subject), "split": "test", **asdict(receipt), "links": links}
        return [subject], ExportReceipt.model_validate(found).model_dump_json().encode()

    def cost(subjects: Sequence[Subject]) -> int:
        return parts.exporter.cost(subjects[0])

    return await respond(
        request, parts, CheckpointQuestion([(job_id, checkpoint)], ("export", "receipt")), compute, cost
    )
