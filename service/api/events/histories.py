"""A job as a stream: its rows, exactly once and in order, its changes, and its end."""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import NamedTuple

import orjson
from sqlalchemy.orm import Session

from service.api.events.schemas import WITHOUT_SPEC
from service.api.jobs.views import view_jobs, view_progress
from service.api.metrics.rows import as_objects
from service.api.shared.dependencies import Parts
from service.api.shared.streams import write_event
from service.errors import FieldError, InvalidCursor, JobNotFound
from service.store import jobs, metrics
from service.store.metrics import KEYS, Window
from service.store.tables import ENDED, Job

MOST_ROWS = 500
"""Rows of an event: about 140 KB at most."""
RETRY_MILLISECONDS = 1000
LAST_EVENT_ID, AFTER_STEP = "/Last-Event-ID", "/after_step"
CURSOR = re.compile(r"([0-9]{1,9})(\.done)?")
SHOWN = ("status", "attempt", "label", "tags", "priority", "best", "failure", "warnings", "weights_sha256")
"""Whatever changes here is a new status event."""


class Place(NamedTuple):
    """What a client has: the rows up to a step, and perhaps the end."""

    step: int = 0
    has_end: bool = False
    pointer: str = AFTER_STEP


class EventBatch(NamedTuple):
    """The next events of a job for a client in one place."""

    events: bytes
    step: int
    """The step of the client's last row, once it has these events."""
    state: int | None
    """Of the status event that the client then has."""
    revision: int
    is_whole: bool
    """Whether there are no more rows now."""
    status: str
    job_step: int
    steps: int

    def is_last(self) -> bool:
        """Return whether the end is among the events."""
        return self.is_whole and self.status in ENDED


@dataclass(frozen=True)
class EventQuery:
    """The query for the next events of a job."""

    job_id: str
    after_step: int
    state: int | None = None

    def __call__(self, session: Session) -> EventBatch:
        """Read and write them; raise JobNotFound."""
        job = jobs.get(session, self.job_id)
        found = metrics.read(session, job.key, Window(self.after_step + 1), MOST_ROWS)
        rows = as_objects(found, KEYS)
        step = rows[-1]["step"] if rows else self.after_step
        is_whole = len(rows) < MOST_ROWS
        state, events = self.state, b""
        if state is None:
            state, events = _state(job), _status_event(session, job)
        if rows:
            data = orjson.dumps({"items": rows, "progress": view_progress(job).model_dump()})
            events += write_event("metrics", data, str(step))
        if is_whole and state != _state(job):
            state, events = _state(job), events + _status_event(session, job)
        if is_whole and job.status in ENDED:
            events += write_event("done", orjson.dumps({"status": job.status}), f"{step}.done")
        return EventBatch(events, step, state, job.revision, is_whole, job.status, job.step, job.steps)


def place_of(last_event_id: str | None, after_step: int | None) -> Place:
    """Return what a client has: its last event says so, or else the query."""
    found = CURSOR.fullmatch(last_event_id or "")
    if found is None:
        return Place(after_step or 0)
    return Place(int(found[1]), found[2] is not None, LAST_EVENT_ID)


def check_place(place: Place, part: EventBatch) -> None:
    """Raise InvalidCursor for a step that the job does not have."""
    if place.step > part.steps:
        rule = FieldError(place.pointer, "cursor", f"must be a step of the job, at most {part.steps}")
        raise InvalidCursor("the job has no such step", [rule])


def has_all(place: Place, part: EventBatch) -> bool:
    """Return whether the client has seen the end."""
    return place.has_end and part.status in ENDED and place.step >= part.job_step


async def follow_job(parts: Parts, job_id: str, part: EventBatch) -> AsyncGenerator[bytes]:
    """Yield these events and all that follow, until the job has ended or is deleted."""
    yield part.events
    while not part.is_last():
        if part.is_whole:
            await parts.changes.wait(job_id, part.revision)
        query = EventQuery(job_id, part.step, part.state)
        try:
            part = await parts.reads.read_patiently(query, behind=not part.is_whole)
        except JobNotFound:
            return
        if part.events:
            yield part.events


def _state(job: Job) -> int:
    return hash(repr([getattr(job, name) for name in SHOWN]))


def _status_event(session: Session, job: Job) -> bytes:
    [shown] = view_jobs(session, [job])
    return write_event("status", shown.model_dump_json(include={*WITHOUT_SPEC}), retry=RETRY_MILLISECONDS)
