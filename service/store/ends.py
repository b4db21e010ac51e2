"""Ends of jobs and comparisons, made into deliveries of webhooks: none is missed, and none is made twice.

The transaction that ends a job stores its end. A later one makes deliveries of it and of the end of its
comparison, and deletes it. By then the end is committed, so whoever handles the last end of a comparison
sees that all its jobs have ended, however many of them ended at once.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import delete, exists, func, insert, or_, select
from sqlalchemy.orm import Session

from service.store import public_ids
from service.store.marks import WITH_MARKED
from service.store.tables import ENDED, NOT_EVALUATED, Comparison, Job
from service.store.upserts import insert_all_if_new
from service.store.webhook_tables import JobEnd, Webhook, WebhookDelivery

JOB_ENDED, COMPARISON_ENDED, PING = "job.ended", "comparison.ended", "ping"
MOST_ENDS = 200
"""The most ends of a transaction: others wait for it on SQLite."""

IS_PENDING = exists().where(or_(JobEnd.job_key == Job.key, JobEnd.comparison_key == Job.comparison_key))
"""Whether a job's rows are still needed, for its own end or that of its comparison."""

_OF_JOB = (
    *("id", "status", "status_reason", "label", "tags", "norm", "init", "seed", "arm", "attempt"),
    *("step", "steps", "failure", "created_at", "started_at", "finished_at"),
)


class Event(NamedTuple):
    """Something that happened: its type, what identifies it, and its payload as JSON."""

    type: str
    identity: str
    payload: str


def note(session: Session, keys: Collection[int]) -> None:
    """Store that these jobs have just ended."""
    ended = select(Job.key, Job.comparison_key).where(Job.key.in_(keys))
    session.execute(insert(JobEnd).from_select(["job_key", "comparison_key"], ended))


def is_any_pending(session: Session) -> bool:
    """Return whether an end waits to be made into deliveries."""
    return session.scalar(select(JobEnd.job_key).limit(1)) is not None


def make_deliveries(session: Session, now: datetime) -> bool:
    """Store the deliveries of at most 200 ends, one for each webhook that wants them.

    Returns whether there were any. Ends that another transaction handles are left to it.
    """
    chosen = select(JobEnd).order_by(JobEnd.job_key).limit(MOST_ENDS).with_for_update(skip_locked=True)
    found = session.scalars(chosen).all()
    if not found:
        return False
    keys = [end.job_key for end in found]
    # The lock keeps a webhook that is being deleted until its deliveries can be deleted with it.
    wanting = select(Webhook).where(Webhook.disabled_at.is_(None)).order_by(Webhook.key)
    webhooks = session.scalars(wanting.with_for_update(read=True, key_share=True)).all()
    if webhooks:
        comparison_keys = {end.comparison_key for end in found if end.comparison_key is not None}
        events = [*_job_events(session, keys), *_comparison_events(session, comparison_keys)]
        for webhook in webhooks:
            wanted = [event for event in events if event.type in webhook.events]
            rows = [new_delivery(webhook, event, now) for event in wanted]
            insert_all_if_new(session, WebhookDelivery, rows)
    session.execute(delete(JobEnd).where(JobEnd.job_key.in_(keys)))
    return True


def new_delivery(webhook: Webhook, event: Event, now: datetime) -> dict[str, Any]:
    """Return the row of a delivery that is due at once."""
    return {
        "id": public_ids.new(public_ids.DELIVERY),
        "webhook_key": webhook.key,
        "event": event.identity,
        "type": event.type,
        "payload": event.payload,
        "state": "waiting",
        "attempts": 0,
        "tries": 0,
        "created_at": now,
        "next_attempt_at": now,
    }


def describe_event(kind: str, at: datetime, data: dict[str, Any]) -> str:
    """Return the payload of an event, as Standard Webhooks recommends it."""
    payload = {"type": kind, "timestamp": at.astimezone(UTC), "data": data}
    return orjson.dumps(payload, option=orjson.OPT_UTC_Z).decode()


def _job_events(session: Session, keys: Sequence[int]) -> Iterator[Event]:
    columns = (*(getattr(Job, name) for name in _OF_JOB), Job.test_accuracy)
    query = select(*columns, Comparison.id.label("comparison_id"))
    query = query.outerjoin(Comparison, Comparison.key == Job.comparison_key).where(Job.key.in_(keys))
    # A job may have been deleted since, but its rows are kept until its end has become an event.
    for job in session.execute(query.order_by(Job.key), execution_options=WITH_MARKED):
        data = _with_utc_times(job._asdict())
        data["test_accuracy"] = None if job.test_accuracy == NOT_EVALUATED else job.test_accuracy
        yield Event(JOB_ENDED, f"{JOB_ENDED} {job.id}", describe_event(JOB_ENDED, job.finished_at, data))


def _comparison_events(session: Session, keys: Collection[int]) -> Iterator[Event]:
    """Yield the ends of those of these comparisons all of whose jobs have ended."""
    counts: dict[int | None, list[Any]] = defaultdict(list)
    query = select(
        Job.comparison_key,
        Job.status,
        func.count().label("n_jobs"),
        func.max(Job.key).label("newest"),
        func.max(Job.finished_at).label("finished_at"),
    ).where(Job.comparison_key.in_(keys))
    grouped = query.group_by(Job.comparison_key, Job.status)
    for row in session.execute(grouped, execution_options=WITH_MARKED):
        counts[row.comparison_key].append(row)
    ended = [key for key, rows in counts.items() if all(row.status in ENDED for row in rows)]
    columns = (Comparison.key, Comparison.id, Comparison.label, Comparison.created_at)
    named = select(*columns).where(Comparison.key.in_(ended)).order_by(Comparison.key)
    for comparison in session.execute(named, execution_options=WITH_MARKED):
        yield _comparison_event(comparison, counts[comparison.key])


def _comparison_event(comparison: Any, counts: Sequence[Any]) -> Event:
    by_status = {row.status: row.n_jobs for row in counts}
    finished_at = max(row.finished_at for row in counts)
    data = {
        "id": comparison.id,
        "label": comparison.label,
        "jobs": sum(by_status.values()),
        **{status: by_status.get(status, 0) for status in ENDED},
        "created_at": comparison.created_at,
        "finished_at": finished_at,
    }
    # A comparison that is extended has newer jobs when it ends again.
    identity = f"{COMPARISON_ENDED} {comparison.id} {max(row.newest for row in counts)}"
    payload = describe_event(COMPARISON_ENDED, finished_at, _with_utc_times(data))
    return Event(COMPARISON_ENDED, identity, payload)


def _with_utc_times(data: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value for name, value in data.items()
    }
