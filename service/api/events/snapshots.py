"""A list of jobs or a comparison as a stream of snapshots: the newest, at most four a second."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import orjson
from sqlalchemy.orm import Session

from service.api.comparisons.views import view_progress
from service.api.jobs.views import view_summaries
from service.api.shared.dependencies import Parts
from service.api.shared.streams import write_event
from service.api.shared.waiting import Watched
from service.errors import ComparisonNotFound
from service.store import comparisons, feeds, queries
from service.store.queries import JobFilter, JobSort

SPACING_SECONDS = 0.25
DONE = ".done"


class Snapshot(NamedTuple):
    """The state of something, and its events."""

    revision: object
    digest: str
    """The id of its event."""
    event: bytes
    done: bytes | None
    """The last event; None while there will be more."""


class Source(Watched, Protocol):
    """What has snapshots; it is the query for the newest."""

    def __call__(self, session: Session) -> Snapshot:
        """Read it."""


@dataclass(frozen=True)
class JobListing:
    """The first jobs of a list."""

    wanted: JobFilter
    sort: JobSort
    limit: int

    def revision(self, session: Session) -> object:
        """Return which jobs these are, and their revisions."""
        return queries.listed(session, self.wanted, self.sort, self.limit)

    def __call__(self, session: Session) -> Snapshot:
        """Read the jobs."""
        jobs = queries.list_jobs(session, self.wanted, self.sort, self.limit, None).items
        data = orjson.dumps({"items": view_summaries(session, jobs)}, option=orjson.OPT_UTC_Z)
        digest = _digest(data)
        return Snapshot(
            [(job.key, job.revision) for job in jobs], digest, write_event("jobs", data, digest), None
        )


@dataclass(frozen=True)
class Runs:
    """The runs of a comparison."""

    comparison_id: str

    def revision(self, session: Session) -> object:
        """Return what differs after each change of a run."""
        return feeds.runs_revision(session, self.comparison_id)

    def __call__(self, session: Session) -> Snapshot:
        """Read them all; raise ComparisonNotFound."""
        comparison = comparisons.get(session, self.comparison_id)
        progress = comparisons.progress(session, [comparison.key])[comparison.key]
        shown = {
            "id": comparison.id,
            "status": "ended" if progress.ended() else "running",
            "progress": view_progress(progress).model_dump(),
            "runs": [run._asdict() for run in feeds.run_states(session, comparison)],
        }
        data = orjson.dumps(shown)
        digest = _digest(data)
        done = write_event("done", '{"status":"ended"}', digest + DONE) if progress.ended() else None
        revision = (progress.statuses.total(), progress.revision)
        return Snapshot(revision, digest, write_event("comparison", data, digest), done)


async def follow(
    parts: Parts, source: Source, snapshot: Snapshot, known: str | None
) -> AsyncGenerator[bytes]:
    """Yield this snapshot and each later one that the client does not know, until the last or a deletion."""
    now = asyncio.get_running_loop().time
    sent_at = now()
    while True:
        if snapshot.digest != known:
            known, sent_at = snapshot.digest, now()
            yield snapshot.event
        if snapshot.done is not None:
            yield snapshot.done
            return
        await parts.changes.wait(source, snapshot.revision)
        await asyncio.sleep(max(0.0, sent_at + SPACING_SECONDS - now()))
        try:
            snapshot = await parts.reads.read_patiently(source)
        except ComparisonNotFound:
            return


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
