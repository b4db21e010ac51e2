"""The queue as a whole: jobs that wait and run, and the workers."""

from fastapi import APIRouter, Request, Response

from service.api.shared.conditional import etag_of, with_etag
from service.api.shared.dependencies import TheDatabase
from service.api.shared.openapi import conditional_response
from service.api.shared.problems import problems
from service.api.shared.schemas import Out
from service.api.shared.scopes import needs
from service.callers import READ
from service.store import clock, queries, workers

router = APIRouter(tags=["queue"])

EXAMPLE = {"queued": 3, "running": 9, "slots": 2, "workers": 2, "oldest_wait_seconds": 1.25}


class QueueState(Out):
    """How much there is to do, and how many workers do it."""

    queued: int
    """Jobs that wait for a worker."""
    running: int
    """Jobs in training; up to 8 of them share a slot."""
    slots: int
    """Trainings that can run at once: one per worker."""
    workers: int
    """Workers that the dispatcher has seen within 10 seconds."""
    oldest_wait_seconds: float | None
    """The longest wait among queued jobs, each since it was last queued; null if none is queued."""


@router.get("/queue", response_model=QueueState, responses={**conditional_response(EXAMPLE), **problems(503)})
@needs(READ)
def get_queue(request: Request, database: TheDatabase) -> Response:
    """Return how many jobs wait and run, the longest wait, and the number of workers."""
    with database.reading() as session:
        at = clock.now(session)
        queue, found = queries.queue(session), workers.present(session, at)
    waiting_since = queue.waiting_since
    shown = QueueState(
        queued=queue.queued,
        running=queue.running,
        slots=found,
        workers=found,
        oldest_wait_seconds=max(0.0, (at - waiting_since).total_seconds()) if waiting_since else None,
    )
    body = shown.model_dump_json().encode()
    return with_etag(request, etag_of(body), body)
