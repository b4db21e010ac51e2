"""Keep the telemetry of jobs that ask for it, and what a reader of a job is warned of."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column("jobs", sa.Column("warnings", document))
    op.create_table(
        "telemetry",
        sa.Column("job_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("layers", document, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_key"], ["jobs.key"], name="fk_telemetry_job_key_jobs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_key", "step", name="pk_telemetry"),
    )


def downgrade() -> None:
    op.drop_table("telemetry")
    op.drop_column("jobs", "warnings")
