"""The schemas of webhooks and their deliveries."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import Field

from models.specs.strict import StrictModel
from service.api.shared.schemas import Label, Out
from service.store.webhook_tables import MOST_URL_CHARS

EventType = Literal["job.ended", "comparison.ended"]
DeliveryState = Literal["waiting", "delivered", "failed"]
WebhookId = Annotated[str, Path(description="Id of the webhook.")]
DeliveryId = Annotated[str, Path(description="Id of the delivery.")]

_NAME = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_PORT = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
URL = rf'^https?://{_NAME}(\.{_NAME})*(:({_PORT}))?([/?][!"$-~]*)?$'


class WebhookSubmission(StrictModel):
    """Where to send events, and which."""

    url: Annotated[str, Field(max_length=MOST_URL_CHARS, pattern=URL)]
    """`https://…`, or `http://…` for an address in NORMSERVE_WEBHOOK_NETWORKS; without user, password and
    fragment, in ASCII."""
    events: list[EventType] = Field(default=["job.ended", "comparison.ended"], min_length=1, max_length=2)
    """The types of events to send."""
    label: Label | None = None
    """A name for people."""


class Ping(StrictModel):
    """The request for a ping, which has nothing to say."""


class WebhookDetails(Out):
    """A URL to which events are sent."""

    id: str
    """Its id."""
    url: str
    """Where events are sent."""
    events: list[EventType]
    """The types of events that it gets."""
    label: str | None
    """A name for people."""
    created_at: datetime
    """When it was made."""
    disabled_at: datetime | None
    """When its receiver responded 410, that it is gone; nothing is sent since."""
    links: dict[str, str]
    """Where to read and test it."""


class NewWebhook(WebhookDetails):
    """A webhook that was just made, with its secret."""

    secret: str
    """Key of the signatures, as Standard Webhooks writes it; no other response shows it."""


class WebhookList(Out):
    """A page of webhooks."""

    items: list[WebhookDetails]
    """The webhooks, the newest first."""
    next_cursor: str | None
    """Cursor of the next page; null on the last."""


class DeletedWebhook(Out):
    """A deleted webhook."""

    id: str
    """Id of the webhook."""


class DeliveryDetails(Out):
    """An event on its way to a webhook."""

    id: str
    """Its id, which the receiver gets as webhook-id, the same at each attempt."""
    type: str
    """Type of the event: job.ended, comparison.ended or ping."""
    state: DeliveryState
    """Whether it waits for an attempt or its result, was delivered, or failed."""
    attempts: int
    """How often it was attempted."""
    created_at: datetime
    """When the event was stored."""
    attempted_at: datetime | None
    """When the newest attempt began."""
    next_attempt_at: datetime | None
    """When the next attempt is due; null once none is."""
    delivered_at: datetime | None
    """When the receiver accepted it."""
    last_status: int | None
    """HTTP status of the newest attempt; null if there was no response."""
    last_error: str | None
    """Why the newest attempt failed; null if it did not."""
    payload: dict[str, Any]
    """What is sent: type, timestamp and data."""


class DeliveryList(Out):
    """A page of deliveries."""

    items: list[DeliveryDetails]
    """The deliveries, the newest first."""
    next_cursor: str | None
    """Cursor of the next page; null on the last."""
