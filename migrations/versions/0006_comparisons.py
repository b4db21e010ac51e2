"""Keep comparisons, and which job is a run of which arm."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.create_table(
        "comparisons",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("spec", document, nullable=False),
        sa.Column("label", sa.String(80)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_comparisons"),
        sa.UniqueConstraint("id", name="uq_comparisons_id"),
        sqlite_autoincrement=True,
    )
    # In the words of both databases: Alembic would copy a SQLite table, and its rows' rows would go with it.
    op.execute(
        "ALTER TABLE jobs ADD COLUMN comparison_key INTEGER"
        " CONSTRAINT fk_jobs_comparison_key_comparisons REFERENCES comparisons (key)"
    )
    op.add_column("jobs", sa.Column("arm", sa.String(80)))
    op.create_index("ix_jobs_comparison_key", "jobs", ["comparison_key"])


def downgrade() -> None:
    op.drop_index("ix_jobs_comparison_key", "jobs")
    op.drop_column("jobs", "arm")
    op.drop_column("jobs", "comparison_key")
    op.drop_table("comparisons")
