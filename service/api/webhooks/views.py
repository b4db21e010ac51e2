"""Webhooks and deliveries from the database as clients see them."""

from datetime import UTC, datetime
from typing import Any

import orjson

from service.api.webhooks.schemas import DeliveryDetails, NewWebhook, WebhookDetails
from service.links import link
from service.store.webhook_tables import Webhook, WebhookDelivery

TIMES = ("created_at", "attempted_at", "next_attempt_at", "delivered_at")
SAME = ("id", "type", "state", "attempts", "last_status", "last_error")


def view_webhook(webhook: Webhook) -> WebhookDetails:
    """Show a webhook without its secret."""
    return WebhookDetails(**_facts(webhook))


def view_new(webhook: Webhook) -> NewWebhook:
    """Show a webhook that was just made, with its secret."""
    return NewWebhook(**_facts(webhook), secret=webhook.secret)


def view_delivery(delivery: WebhookDelivery) -> DeliveryDetails:
    """Show a delivery with its payload."""
    return DeliveryDetails(
        **{name: getattr(delivery, name) for name in SAME},
        **{name: _utc(getattr(delivery, name)) for name in TIMES},
        payload=orjson.loads(delivery.payload),
    )


def delivery_link(webhook: Webhook, delivery: WebhookDelivery) -> str:
    """Return the path of a delivery."""
    return link(f"/webhooks/{webhook.id}/deliveries/{delivery.id}")


def _facts(webhook: Webhook) -> dict[str, Any]:
    here = link(f"/webhooks/{webhook.id}")
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": webhook.events,
        "label": webhook.label,
        "created_at": _utc(webhook.created_at),
        "disabled_at": _utc(webhook.disabled_at),
        "links": {"self": here, "deliveries": f"{here}/deliveries", "test": f"{here}/test"},
    }


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)
