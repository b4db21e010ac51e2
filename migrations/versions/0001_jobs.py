"""Jobs with their transitions, metrics, resume states and checkpoints; idempotency keys; counters."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
DOUBLE = sa.Float(53).with_variant(postgresql.DOUBLE_PRECISION(), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_jobs()
    _create_transitions()
    _create_histories()
    _create_states()
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("operation", sa.String(40), nullable=False),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("status_code", sa.Integer, nullable=False),
        sa.Column("location", sa.String(200), nullable=False),
        sa.Column("answer", sa.String, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", "operation", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "counters",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("value", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )


def downgrade() -> None:
    for table in (
        "counters",
        "idempotency_keys",
        "checkpoints",
        "resume_states",
        "metrics",
        "job_transitions",
        "jobs",
    ):
        op.drop_table(table)


def _create_jobs() -> None:
    statuses = "'queued', 'running', 'succeeded', 'failed', 'cancelled'"
    op.create_table(
        "jobs",
        sa.Column("key", sa.Integer, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("spec", DOCUMENT, nullable=False),
        sa.Column("norm", sa.String(40), nullable=False),
        sa.Column("init", sa.Boolean, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("steps", sa.Integer, nullable=False),
        sa.Column("label", sa.String(80)),
        sa.Column("tags", DOCUMENT, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("status_reason", sa.String(200)),
        sa.Column("submission", sa.String(40)),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("deaths_without_progress", sa.Integer, nullable=False),
        sa.Column("stop_requested", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("latest", DOCUMENT),
        sa.Column("best", DOCUMENT),
        sa.Column("test_accuracy", DOUBLE),
        sa.Column("failure", DOCUMENT),
        sa.Column("init_digest", sa.String(64)),
        sa.Column("data_digest", sa.String(64)),
        sa.Column("data_sha256", sa.String(64)),
        sa.Column("weights_sha256", sa.String(64)),
        sa.Column("torch_version", sa.String(40)),
        sa.Column("cpu_capability", sa.String(40)),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("moved_at", TIME),
        sa.Column("finished_at", TIME),
        sa.PrimaryKeyConstraint("key", name="pk_jobs"),
        sa.UniqueConstraint("id", name="uq_jobs_id"),
        sa.CheckConstraint(f"status IN ({statuses})", name="ck_jobs_status"),
        sa.CheckConstraint("step >= 0 AND step <= steps", name="ck_jobs_step"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_status_key", "jobs", ["status", "key"])


def _create_transitions() -> None:
    op.create_table(
        "job_transitions",
        _job_key("job_transitions"),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("job_key", "number", name="pk_job_transitions"),
    )


def _create_histories() -> None:
    op.create_table(
        "metrics",
        _job_key("metrics"),
        sa.Column("step", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("train_loss", DOUBLE),
        sa.Column("train_accuracy", DOUBLE),
        sa.Column("validation_loss", DOUBLE),
        sa.Column("validation_accuracy", DOUBLE),
        sa.Column("test_loss", DOUBLE),
        sa.Column("test_accuracy", DOUBLE),
        sa.Column("elapsed_seconds", DOUBLE, nullable=False),
        sa.Column("non_finite", sa.String(200)),
        sa.PrimaryKeyConstraint("job_key", "step", name="pk_metrics"),
        sqlite_with_rowid=False,
    )


def _create_states() -> None:
    op.create_table(
        "resume_states",
        _job_key("resume_states"),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("job_key", name="pk_resume_states"),
    )
    op.create_table(
        "checkpoints",
        _job_key("checkpoints"),
        sa.Column("step", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("weights", sa.LargeBinary, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("validation_accuracy", DOUBLE),
        sa.Column("validation_loss", DOUBLE),
        sa.Column("test_accuracy", DOUBLE),
        sa.Column("test_loss", DOUBLE),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("job_key", "step", name="pk_checkpoints"),
    )


def _job_key(table: str) -> sa.Column[int]:
    return sa.Column(
        "job_key",
        sa.Integer,
        sa.ForeignKey("jobs.key", name=f"fk_{table}_job_key_jobs", ondelete="CASCADE"),
        nullable=False,
        autoincrement=False,
    )
