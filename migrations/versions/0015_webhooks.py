"""Keep webhooks, the ends of jobs that are not events yet, and the deliveries of events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
WAITING = sa.text("state = 'waiting'")
DELIVERIES = "webhook_deliveries"


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("events", DOCUMENT, nullable=False),
        sa.Column("label", sa.String(80), nullable=True),
        sa.Column("secret", sa.String(80), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("disabled_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_webhooks")),
        sa.UniqueConstraint("id", name=op.f("uq_webhooks_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "job_ends",
        sa.Column("job_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("comparison_key", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("job_key", name=op.f("pk_job_ends")),
        sa.ForeignKeyConstraint(["job_key"], ["jobs.key"], name=op.f("fk_job_ends_job_key_jobs")),
    )
    _create_deliveries()


def _create_deliveries() -> None:
    op.create_table(
        DELIVERIES,
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("webhook_key", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(120), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("attempted_at", TIME, nullable=True),
        sa.Column("next_attempt_at", TIME, nullable=True),
        sa.Column("delivered_at", TIME, nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(200), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'failed')", name=op.f("ck_webhook_deliveries_state")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint("id", name=op.f("uq_webhook_deliveries_id")),
        sa.UniqueConstraint("webhook_key", "event", name=op.f("uq_webhook_deliveries_webhook_key_event")),
        sa.ForeignKeyConstraint(
            ["webhook_key"],
            ["webhooks.key"],
            name=op.f("fk_webhook_deliveries_webhook_key_webhooks"),
            ondelete="CASCADE",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhook_deliveries_webhook_key_key", DELIVERIES, ["webhook_key", "key"])
    op.create_index("ix_webhook_deliveries_created_at", DELIVERIES, ["created_at"])
    op.create_index(
        "ix_webhook_deliveries_due",
        DELIVERIES,
        ["webhook_key", "next_attempt_at", "key"],
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )


def downgrade() -> None:
    op.drop_table(DELIVERIES)
    op.drop_table("job_ends")
    op.drop_table("webhooks")
