"""Webhooks: URLs that are sent signed events. Nothing here commits."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.errors import TooManyWebhooks, WebhookDisabled, WebhookNotFound
from service.store import public_ids
from service.store.lists import Page, find, newest_first
from service.store.webhook_tables import Webhook

LIST = "webhooks"
MOST_WEBHOOKS = 16
SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 # the form that Standard Webhooks gives to secrets


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
    query = select(Webhook).where(Webhook.id == public_id)
    found = find(session, public_ids.WEBHOOK, public_id, query, to_change)
    if found is None:
        raise WebhookNotFound("there is no webhook with this id; GET /webhooks for a list")
    return found


def get_enabled(session: Session, public_id: str) -> Webhook:
    """Return a webhook that gets events, locked; raise WebhookNotFound or WebhookDisabled."""
    webhook = get(session, public_id, to_change=True)
    if webhook.disabled_at is not None:
        raise WebhookDisabled("its receiver responded 410, that it is gone; make a new webhook")
    return webhook


def list_page(session: Session, limit: int, cursor: str | None) -> Page[Webhook]:
    """Return a page of webhooks, the newest first; raise InvalidCursor."""
    return newest_first(select(Webhook), Webhook.key, LIST, limit, cursor, session.scalars)


def remove(session: Session, public_id: str) -> None:
    """Delete a webhook with its deliveries; raise WebhookNotFound."""
    session.delete(get(session, public_id, to_change=True))
    session.flush()
