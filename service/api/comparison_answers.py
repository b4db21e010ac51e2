"""How every question about a comparison is answered: content and ETag of one state, computed in the pool."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from service.api.comparison_results import State, state_of
from service.api.deps import Parts, has_current, tagged
from service.store.database import Database

Compute = Callable[[Session, State], bytes]
Find = Callable[[Session, State], bytes | None]


@dataclass(frozen=True)
class Question:
    """What is asked about a comparison, and how the answer is labelled."""

    comparison_id: str
    rate: float | None
    """The learning rate; the comparison's first where it is None."""
    details: tuple[object, ...]
    """All that the content depends on beside the state."""
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


async def answer(
    request: Request,
    parts: Parts,
    question: Question,
    compute: Compute,
    find: Find = lambda session, state: None,
) -> Response:
    """Answer with what `find` has kept, or else compute it; 304 to a client that has it already."""
    state, content = await run_in_threadpool(_look, parts.database, question, find)
    if content is None and not has_current(request, state.etag(*question.details)):
        state, content = await parts.analysis.run(_look, parts.database, question, compute)
    etag = state.etag(*question.details)
    found = tagged(request, etag, content or b"", media_type=question.media_type)
    found.headers.update(question.headers)
    return found


def _look(database: Database, question: Question, look: Find) -> tuple[State, bytes | None]:
    with database.snapshot() as session:
        state = state_of(session, question.comparison_id, question.rate)
        return state, look(session, state)
