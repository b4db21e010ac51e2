"""Live histories, comparisons and lists as Server-Sent Events."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from service.api.events import examples
from service.api.events.histories import EventQuery, check_place, follow_job, has_all, place_of
from service.api.events.responses import event_response
from service.api.events.schemas import OF_COMPARISON, OF_JOB, OF_JOBS
from service.api.events.snapshots import DONE, JobListing, Runs, follow
from service.api.jobs.filters import SortedBy, WantedJobs
from service.api.shared.dependencies import TheParts
from service.api.shared.parameters import AfterStep, ComparisonId, JobId, PageLimit
from service.api.shared.problems import problems
from service.api.shared.scopes import needs
from service.api.shared.streams import EventStream
from service.callers import READ

router = APIRouter()

SEEN = "The last event that the client has; the stream goes on after it."
StepEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", pattern=r"^[0-9]{1,9}(\.done)?$", description=SEEN)
]
SnapshotEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", pattern=r"^[0-9a-f]{32}(\.done)?$", description=SEEN)
]


@router.get(
    "/jobs/{job_id}/events",
    tags=["metrics"],
    response_class=Response,
    responses={**event_response(OF_JOB, examples.JOB, ends=True), **problems(404, 503)},
)
@needs(READ)
async def get_job_events(
    parts: TheParts, job_id: JobId, after_step: AfterStep = None, last_event_id: StepEventId = None
) -> Response:
    """Stream a job's history as Server-Sent Events: the rows so far, new ones once they are stored, the end.

    Every row comes exactly once and in order. The id of an event is the step of its last row: a client that
    was cut continues with Last-Event-ID, or with `after_step` from polling. After `done`, it gets 204.
    """
    place = place_of(last_event_id, after_step)
    part = await parts.reads.read(EventQuery(job_id, place.step), behind=True)
    check_place(place, part)
    if has_all(place, part):
        return Response(status_code=204)
    return EventStream(follow_job(parts, job_id, part), parts.streams)


@router.get(
    "/comparisons/{comparison_id}/events",
    tags=["comparisons"],
    response_class=Response,
    responses={**event_response(OF_COMPARISON, examples.COMPARISON, ends=True), **problems(404, 503)},
)
@needs(READ)
async def get_comparison_events(
    parts: TheParts, comparison_id: ComparisonId, last_event_id: SnapshotEventId = None
) -> Response:
    """Stream a comparison's progress as Server-Sent Events: whole after each change, at most four a second.

    The stream ends when all jobs have ended. After `done`, a reconnect gets 204.
    """
    source = Runs(comparison_id)
    snapshot = await parts.reads.read(source)
    if snapshot.done is not None and last_event_id == snapshot.digest + DONE:
        return Response(status_code=204)
    known = last_event_id.removesuffix(DONE) if last_event_id else None
    return EventStream(follow(parts, source, snapshot, known), parts.streams)


@router.get(
    "/events",
    tags=["jobs"],
    response_class=Response,
    responses={**event_response(OF_JOBS, examples.JOBS), **problems(503)},
)
@needs(READ)
async def get_events(
    parts: TheParts,
    wanted: WantedJobs,
    sort: SortedBy = "-created_at",
    limit: PageLimit = 20,
    last_event_id: SnapshotEventId = None,
) -> Response:
    """Stream the first jobs of a list as Server-Sent Events: whole after each change, at most four a second.

    The filters are those of GET /jobs. The id of an event is a digest of its data: a client that reconnects
    with the newest gets nothing until something changes. The stream does not end.
    """
    source = JobListing(wanted, sort, limit)
    snapshot = await parts.reads.read(source)
    known = last_event_id.removesuffix(DONE) if last_event_id else None
    return EventStream(follow(parts, source, snapshot, known), parts.streams)
