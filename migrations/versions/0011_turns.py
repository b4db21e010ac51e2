"""Keep the priority and the owner of each job, and when each owner was last served.

Only jobs that have not ended need their owner: nobody else takes turns.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

QUEUED = sa.text("status = 'queued'")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("owner", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("comparisons", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE jobs SET owner = comparison_key "
        "WHERE status IN ('queued', 'running') AND comparison_key IS NOT NULL"
    )
    op.create_index(
        "ix_jobs_turns",
        "jobs",
        ["priority", "owner", "key", "submission"],
        sqlite_where=QUEUED,
        postgresql_where=QUEUED,
    )
    op.create_table(
        "turns",
        sa.Column("owner", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_turns")),
    )
    op.create_index("ix_turns_turn", "turns", ["turn"])
    op.execute("INSERT INTO turns (owner, turn) VALUES (0, 0)")  # all single jobs


def downgrade() -> None:
    op.drop_table("turns")
    op.drop_index("ix_jobs_turns", table_name="jobs")
    op.drop_column("comparisons", "priority")
    op.drop_column("jobs", "owner")
    op.drop_column("jobs", "priority")
