"""The response to a question about checkpoints, whose ETag needs nothing computed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from service.api.shared.conditional import REVALIDATE, UNCHANGING, etag_of, has_current, with_etag
from service.api.shared.dependencies import Parts
from service.api.shared.disconnection import unless_gone
from service.api.shared.schemas import EvaluatedCheckpoint
from service.comparing.state import RELEASE
from service.serving.pool import Slices
from service.serving.predictor import Predictor, Subject

Computed = tuple[Sequence[Subject], bytes]
"""The content, and the checkpoints that it is of: `latest` may be another one by now."""


@dataclass(frozen=True)
class CheckpointQuestion:
    """What a client wants to know about checkpoints, and the headers of the response."""

    checkpoints: Sequence[tuple[str, str]]
    """Each a job and a step, `latest` or `best`."""
    details: tuple[object, ...]
    """All that the content depends on besides the checkpoints."""
    media_type: str = "application/json"
    name: Callable[[Subject], Mapping[str, str]] = field(default=lambda _: {})
    """The headers that depend on the first checkpoint, such as the name of a file."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def find(self, predictor: Predictor) -> list[Subject]:
        """Find the checkpoints, without their weights."""
        return [predictor.find(*each) for each in self.checkpoints]


async def respond(
    request: Request,
    parts: Parts,
    question: CheckpointQuestion,
    compute: Callable[[], Slices[Computed]],
    cost: Callable[[Sequence[Subject]], int],
) -> Response:
    """Return 304 to a client that has the content, or else compute it in the pool, at this cost in steps."""
    return await unless_gone(request, _respond(request, parts, question, compute, cost))


async def _respond(
    request: Request,
    parts: Parts,
    question: CheckpointQuestion,
    compute: Callable[[], Slices[Computed]],
    cost: Callable[[Sequence[Subject]], int],
) -> Response:
    subjects: Sequence[Subject] = await run_in_threadpool(question.find, parts.predictor)
    content = b""
    if not has_current(request, _etag(subjects, question)):
        subjects, content = await parts.analysis.run(compute(), cost(subjects))
    return with_etag(
        request,
        _etag(subjects, question),
        content,
        REVALIDATE if any(each.from_running_job for each in subjects) else UNCHANGING,
        question.media_type,
        {**question.headers, **question.name(subjects[0])},
    )


def facts_of(subject: Subject) -> dict[str, object]:
    """Return the fields of `EvaluatedCheckpoint`."""
    return {name: getattr(subject, name) for name in EvaluatedCheckpoint.model_fields}


def _etag(subjects: Sequence[Subject], question: CheckpointQuestion) -> str:
    facts = [
        (each.job_id, each.step, each.weights_sha256, each.data_sha256, each.from_running_job)
        for each in subjects
    ]
    return etag_of(repr((RELEASE, facts, *question.details)).encode())
