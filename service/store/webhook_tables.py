"""The tables of webhooks: where to send events, the ends that are not events yet, and the deliveries."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.store.columns import Document, UtcDateTime, one_of
from service.store.tables import Base

MOST_URL_CHARS = 2000
MOST_LABEL_CHARS = 80
DELIVERY_STATES = ("waiting", "delivered", "failed")
WAITING = text("state = 'waiting'")


class Webhook(Base):
    """A URL to which events are sent. Only store/webhooks.py and store/deliveries.py write here."""

    __tablename__ = "webhooks"
    __table_args__ = ({"sqlite_autoincrement": True},)

    key: Mapped[int] = mapped_column(Integer, primary_key=True)
    """The order of arrival; clients never see it."""
    id: Mapped[str] = mapped_column(String(40), unique=True)
    url: Mapped[str] = mapped_column(String(MOST_URL_CHARS))
    events: Mapped[list[str]] = mapped_column(Document)
    """The types of events that it gets."""
    label: Mapped[str | None] = mapped_column(String(MOST_LABEL_CHARS))
    secret: Mapped[str] = mapped_column(String(80))
    """What its deliveries are signed with, so it is stored as it is; clients see it once."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When its receiver responded that it is gone: it gets nothing since."""


class JobEnd(Base):
    """A job that has ended, stored with the end and deleted once its deliveries are stored.

    Without ON DELETE, because the end of a job must become an event before the job's rows go.
    """

    __tablename__ = "job_ends"

    job_key: Mapped[int] = mapped_column(
        Integer, ForeignKey("jobs.key"), primary_key=True, autoincrement=False
    )
    comparison_key: Mapped[int | None]
    """The comparison of which it is a run, which may have ended with it."""


class WebhookDelivery(Base):
    """An event on its way to one webhook. Only store/ends.py and store/deliveries.py write here."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint(one_of("state", DELIVERY_STATES), name="state"),
        UniqueConstraint("webhook_key", "event"),
        Index(None, "webhook_key", "key"),
        Index(None, "created_at"),
        Index(
            "ix_webhook_deliveries_due",
            *("webhook_key", "next_attempt_at", "key"),
            sqlite_where=WAITING,
            postgresql_where=WAITING,
        ),
        {"sqlite_autoincrement": True},
    )

    key: Mapped[int] = mapped_column(Integer, primary_key=True)
    """The order of arrival; clients never see it."""
    id: Mapped[str] = mapped_column(String(40), unique=True)
    """Sent as webhook-id: the same for each attempt, so that a receiver can ignore repeats."""
    webhook_key: Mapped[int] = mapped_column(ForeignKey("webhooks.key", ondelete="CASCADE"))
    event: Mapped[str] = mapped_column(String(120))
    """What happened, so that it is stored once: the type, the id, and for a comparison its newest job."""
    type: Mapped[str] = mapped_column(String(40))
    payload: Mapped[str] = mapped_column(Text)
    """JSON, as it was when the event was stored: later changes and deletions do not change it."""
    state: Mapped[str] = mapped_column(String(12))
    attempts: Mapped[int]
    """How often it was claimed; guards the result of an attempt."""
    tries: Mapped[int]
    """The attempts since it was stored or last asked for again."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the newest attempt began."""
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it is due; while an attempt is under way, when it is taken for lost. NULL once it has ended."""
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_status: Mapped[int | None]
    """The HTTP status of the newest attempt that got one."""
    last_error: Mapped[str | None] = mapped_column(String(200))
    """Why the newest attempt failed; NULL if it did not."""
