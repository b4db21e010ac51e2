"""The response to a question about a comparison: kept or computed, with the ETag of its state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from models.specs.spec import LearningRate
from service.api.shared.conditional import etag_of, has_current, with_etag
from service.api.shared.dependencies import Parts
from service.api.shared.disconnection import unless_gone
from service.comparing.state import State, read_state
from service.serving.pool import whole
from service.store.database import Database

GivenLearningRate = Annotated[
    LearningRate | None,
    Query(
        description="One of the comparison's learning rates, for all arms; by default, each arm has the one "
        "with the best mean validation accuracy."
    ),
]
Compute = Callable[[Session, State], bytes]
Find = Callable[[Session, State], bytes | None]


@dataclass(frozen=True)
class ComparisonQuestion:
    """What a client wants to know about a comparison, and the headers of the response."""

    comparison_id: str
    rate: float | None
    """One learning rate for all arms; None is the best of each arm, or its only one."""
    details: tuple[object, ...]
    """All that the content depends on besides the state."""
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def etag(self, state: State) -> str:
        """Return the ETag, which needs no content: equal states and details have equal content."""
        return etag_of(repr((*state.version(), *self.details)).encode())


async def respond(
    request: Request,
    parts: Parts,
    question: ComparisonQuestion,
    compute: Compute,
    find: Find = lambda _session, _state: None,
) -> Response:
    """Return what `find` finds, or else compute it in the pool; 304 to a client that has it."""
    return await unless_gone(request, _respond(request, parts, question, compute, find))


async def _respond(
    request: Request, parts: Parts, question: ComparisonQuestion, compute: Compute, find: Find
) -> Response:
    state, content = await run_in_threadpool(_read, parts.database, question, find)
    if content is None and not has_current(request, question.etag(state)):
        slices = whole(partial(_read, parts.database, question, compute))
        state, content = await parts.analysis.run(slices, state.steps)
    response = with_etag(request, question.etag(state), content or b"", media_type=question.media_type)
    response.headers.update(question.headers)
    return response


def _read(database: Database, question: ComparisonQuestion, read: Find) -> tuple[State, bytes | None]:
    with database.snapshot() as session:
        state = read_state(session, question.comparison_id, question.rate)
        return state, read(session, state)
