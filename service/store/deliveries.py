"""Deliveries of events: claimed for an attempt, ended or put off by its result, and sent again.

    waiting → delivered | failed
    delivered | failed → waiting   (a client asked for another delivery)

A claim is a lease: an attempt without a result is taken for lost when it ends, and the next one begins. So
an event arrives at least once, whatever dies. `now` is an argument everywhere; nothing here commits.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, exists, literal_column, select, update
from sqlalchemy.orm import Session
from uuid_utils import uuid7

from service.errors import DeliveryNotFound
from service.store import public_ids
from service.store.ends import PING, Event, describe_event, new_delivery
from service.store.lists import Page, find, newest_first
from service.store.webhook_tables import Webhook, WebhookDelivery

LIST = "deliveries"
MOST_AT_ONCE = 4
"""Attempts of one webhook at the same time."""
LEASE = timedelta(seconds=60)
KEPT = timedelta(days=30)
MOST_PRUNED = 1000
GONE = 410
LOST = "the service stopped during the attempt"
DISABLED = "the receiver is gone"

IS_WAITING = WebhookDelivery.state == literal_column("'waiting'")
"""As a literal, because SQLite matches no parameter with the condition of an index."""


class ClaimedDelivery(NamedTuple):
    """A delivery to attempt."""

    key: int
    attempt: int
    webhook_key: int
    id: str
    url: str
    secret: str
    payload: str


class DeliveryOutcome(NamedTuple):
    """How an attempt ended: with the status of the response if there was one, and the error if it failed."""

    claimed: ClaimedDelivery
    status: int | None
    error: str | None


def is_any_due(session: Session, now: datetime) -> bool:
    """Return whether a delivery of an enabled webhook is due."""
    due = exists().where(
        WebhookDelivery.webhook_key == Webhook.key, IS_WAITING, WebhookDelivery.next_attempt_at <= now
    )
    query = select(Webhook.key).where(Webhook.disabled_at.is_(None), due)
    return session.scalar(query.limit(1)) is not None


def claim_due(
    session: Session, busy: Mapping[int, int], most_tries: int, now: datetime
) -> list[ClaimedDelivery]:
    """Claim the deliveries that are due, the oldest first, at most four of each webhook with its `busy` ones.

    One whose last try was lost fails.
    """
    claimed = []
    webhooks = select(Webhook).where(Webhook.disabled_at.is_(None)).order_by(Webhook.key)
    for webhook in session.scalars(webhooks).all():
        room = max(0, MOST_AT_ONCE - busy.get(webhook.key, 0))
        for delivery in _due(session, webhook, room, now):
            if delivery.tries >= most_tries:
                _fail(delivery, LOST)
                continue
            delivery.attempts, delivery.tries = delivery.attempts + 1, delivery.tries + 1
            delivery.attempted_at, delivery.next_attempt_at = now, now + LEASE
            what = (delivery.key, delivery.attempts, webhook.key, delivery.id)
            claimed.append(ClaimedDelivery(*what, webhook.url, webhook.secret, delivery.payload))
    session.flush()
    return claimed


def record(
    session: Session, outcomes: Collection[DeliveryOutcome], waits: Sequence[float], now: datetime
) -> list[WebhookDelivery]:
    """Store how attempts ended; each failed one is tried again after the next of `waits`, in seconds.

    After the last wait a delivery fails; those are returned. The result of an attempt that was taken for lost
    is dropped. If a receiver is gone, its webhook is disabled and its deliveries fail.
    """
    gone = sorted({each.claimed.webhook_key for each in outcomes if each.status == GONE})
    for key in gone:
        _disable(session, key, now)
    failed = []
    for outcome in sorted(outcomes, key=lambda each: each.claimed.key):
        query = select(WebhookDelivery).where(
            WebhookDelivery.key == outcome.claimed.key,
            WebhookDelivery.attempts == outcome.claimed.attempt,
            IS_WAITING,
        )
        delivery = session.scalar(query.with_for_update())
        if delivery is not None:
            _apply(delivery, outcome, waits, now)
            failed += [delivery] if delivery.state == "failed" else []
    session.flush()
    return failed


def send_again(session: Session, webhook: Webhook, public_id: str, now: datetime) -> WebhookDelivery:
    """Make a delivery due now, with all its tries, whether it has ended or waits; raise DeliveryNotFound."""
    delivery = get(session, webhook, public_id, to_change=True)
    delivery.state, delivery.tries, delivery.next_attempt_at = "waiting", 0, now
    delivery.delivered_at = None
    session.flush()
    return delivery


def ping(session: Session, webhook: Webhook, now: datetime) -> WebhookDelivery:
    """Store a delivery that only shows whether the receiver works."""
    payload = describe_event(PING, now, {"webhook_id": webhook.id})
    delivery = WebhookDelivery(**new_delivery(webhook, Event(PING, f"{PING} {uuid7().hex}", payload), now))
    session.add(delivery)
    session.flush()
    return delivery


def get(session: Session, webhook: Webhook, public_id: str, to_change: bool = False) -> WebhookDelivery:
    """Return a delivery of a webhook by its public id; raise DeliveryNotFound."""
    ours = WebhookDelivery.webhook_key == webhook.key
    query = select(WebhookDelivery).where(ours, WebhookDelivery.id == public_id)
    found = find(session, public_ids.DELIVERY, public_id, query, to_change)
    if found is None:
        raise DeliveryNotFound("the webhook has no delivery with this id; GET its deliveries for a list")
    return found


def list_page(
    session: Session, webhook: Webhook, states: Collection[str], limit: int, cursor: str | None
) -> Page[WebhookDelivery]:
    """Return a page of a webhook's deliveries, the newest first, in any of these states if there are any.

    Raises InvalidCursor.
    """
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_key == webhook.key)
    if states:
        query = query.where(WebhookDelivery.state.in_(states))
    return newest_first(query, WebhookDelivery.key, LIST, limit, cursor, session.scalars)


def prune(session: Session, now: datetime) -> int:
    """Delete at most 1,000 deliveries that are older than 30 days and have ended; return how many."""
    old = (WebhookDelivery.created_at < now - KEPT, WebhookDelivery.state != "waiting")
    chosen = select(WebhookDelivery.key).where(*old).order_by(WebhookDelivery.created_at).limit(MOST_PRUNED)
    keys = session.scalars(chosen.with_for_update(skip_locked=True)).all()
    if keys:
        session.execute(delete(WebhookDelivery).where(WebhookDelivery.key.in_(keys)))
    return len(keys)


def _due(session: Session, webhook: Webhook, room: int, now: datetime) -> Sequence[WebhookDelivery]:
    ours = (WebhookDelivery.webhook_key == webhook.key, IS_WAITING, WebhookDelivery.next_attempt_at <= now)
    query = select(WebhookDelivery).where(*ours)
    first = query.order_by(WebhookDelivery.next_attempt_at, WebhookDelivery.key).limit(room)
    return session.scalars(first.with_for_update(skip_locked=True)).all()


def _apply(
    delivery: WebhookDelivery, outcome: DeliveryOutcome, waits: Sequence[float], now: datetime
) -> None:
    delivery.last_status, delivery.last_error = outcome.status, outcome.error
    if outcome.error is None:
        delivery.state, delivery.delivered_at, delivery.next_attempt_at = "delivered", now, None
    elif delivery.tries > len(waits):
        _fail(delivery, outcome.error)
    else:
        delivery.next_attempt_at = now + timedelta(seconds=waits[delivery.tries - 1])


def _fail(delivery: WebhookDelivery, error: str) -> None:
    delivery.state, delivery.last_error, delivery.next_attempt_at = "failed", error, None


def _disable(session: Session, webhook_key: int, now: datetime) -> None:
    """Send a webhook nothing more."""
    disabled = update(Webhook).where(Webhook.key == webhook_key, Webhook.disabled_at.is_(None))
    session.execute(disabled.values(disabled_at=now))
    failed = update(WebhookDelivery).where(WebhookDelivery.webhook_key == webhook_key, IS_WAITING)
    values = {"state": "failed", "last_error": DISABLED, "last_status": GONE, "next_attempt_at": None}
    session.execute(failed.values(**values))
