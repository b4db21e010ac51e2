"""The queue as a whole: what waits, what runs, and on how many workers."""

from fastapi import APIRouter

from service.api import examples
from service.api.deps import TheDatabase, now
from service.api.job_view import Out
from service.api.problems import problems
from service.store import queries, workers

router = APIRouter(tags=["queue"])


class QueueOut(Out):
    """How much there is to do, and who does it."""

    queued: int
    running: int
    """Jobs that are being trained; up to 8 of them share a slot."""
    slots: int
    """How many trainings there can be at once: one a worker."""
    workers: int
    """Workers that the dispatcher has seen within 10 seconds."""
    oldest_wait_seconds: float | None
    """How long the job waits that has waited longest since it was queued last; null when none does."""


@router.get("/queue", responses={**examples.answer(200, examples.QUEUE), **problems(503)})
def get_queue(database: TheDatabase) -> QueueOut:
    """Answer how many jobs wait and run, how long they wait, and how many workers there are."""
    at = now()
    with database.reading() as session:
        queue, found = queries.queue(session), workers.present(session, at)
    waiting_since = queue.waiting_since
    return QueueOut(
        queued=queue.queued,
        running=queue.running,
        slots=found,
        workers=found,
        oldest_wait_seconds=max(0.0, (at - waiting_since).total_seconds()) if waiting_since else None,
    )
