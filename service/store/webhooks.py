"""Webhooks: URLs that are sent signed events. Nothing here commits."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.errors import TooManyWebhooks, WebhookDisabled, WebhookNotFound
from service.store import cursors, public_ids
from service.store.webhook_tables import Webhook

LIST = "webhooks"
MOST_WEBHOOKS = 16
SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 # the form that Standard Webhooks gives to secrets


class Page(NamedTuple):
    """Some webhooks, and the cursor of the next ones where there are more."""

    webhooks: Sequence[Webhook]
    next_cursor: str | None


def create(session: Session, url: str, events: Sequence[str], label: str | None, now: datetime) -> Webhook:
    """Add a webhook with a new secret; it gets the events that happen once the caller has committed.

    Raises TooManyWebhooks.
    """
    if session.get_bind().dialect.name == "postgresql":  # SQLite lets only one writer in anyway
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("webhooks", 0))))
    if (session.scalar(select(func.count(Webhook.key))) or 0) >= MOST_WEBHOOKS:
        raise TooManyWebhooks(f"there are {MOST_WEBHOOKS} webhooks; delete one first")
    webhook = Webhook(
        id=public_ids.new(public_ids.WEBHOOK),
        url=url,
        events=list(events),
        label=label,
        secret=SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode(),
        created_at=now,
    )
    session.add(webhook)
    session.flush()
    return webhook


def get(session: Session, public_id: str, to_change: bool = False) -> Webhook:
    """Return a webhook by its public id, locked if it is `to_change`; raise WebhookNotFound."""
    found = None
    if public_ids.is_valid(public_ids.WEBHOOK, public_id):
        query = select(Webhook).where(Webhook.id == public_id)
        found = session.scalar(query.with_for_update() if to_change else query)
    if found is None:
        raise WebhookNotFound("there is no webhook with this id; GET /webhooks for a list")
    return found


def get_enabled(session: Session, public_id: str) -> Webhook:
    """Return a webhook that gets events, locked; raise WebhookNotFound or WebhookDisabled."""
    webhook = get(session, public_id, to_change=True)
    if webhook.disabled_at is not None:
        raise WebhookDisabled("its receiver responded 410, that it is gone; make a new webhook")
    return webhook


def list_page(session: Session, limit: int, cursor: str | None) -> Page:
    """Return a page of webhooks, the newest first; it does not shift while others arrive."""
    query = select(Webhook).order_by(Webhook.key.desc()).limit(limit + 1)
    if cursor is not None:
        query = query.where(Webhook.key < cursors.decode(cursor, LIST, 1)[0])
    found = session.scalars(query).all()
    if len(found) <= limit:
        return Page(found, None)
    return Page(found[:limit], cursors.encode(LIST, [found[limit - 1].key]))


def remove(session: Session, public_id: str) -> None:
    """Delete a webhook with its deliveries; raise WebhookNotFound."""
    session.delete(get(session, public_id, to_change=True))
    session.flush()
