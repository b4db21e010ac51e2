"""Mark what is deleted, keep sizes and tags where they are found fast, and index what lists filter by."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INDEXED = ("label", "norm", "seed", "test_accuracy")
MARKED = sa.text("deleted_at IS NOT NULL")


def upgrade() -> None:
    for table in ("comparisons", "jobs"):
        op.add_column(table, sa.Column("deleted_at", sa.DateTime(timezone=True)))
        op.create_index(f"ix_{table}_marked", table, ["key"], postgresql_where=MARKED, sqlite_where=MARKED)
    op.add_column("jobs", sa.Column("size_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE jobs SET size_bytes = sums.size_bytes FROM"
        " (SELECT job_key, SUM(size_bytes) AS size_bytes FROM checkpoints GROUP BY job_key) AS sums"
        " WHERE sums.job_key = jobs.key"
    )
    op.execute("UPDATE jobs SET test_accuracy = -1 WHERE test_accuracy IS NULL")
    for column in INDEXED:
        op.create_index(f"ix_jobs_{column}_key", "jobs", [column, "key"])
    _create_tags()


def downgrade() -> None:
    op.execute("DELETE FROM jobs WHERE deleted_at IS NOT NULL")
    op.execute("DELETE FROM comparisons WHERE deleted_at IS NOT NULL")
    op.drop_table("job_tags")
    for column in INDEXED:
        op.drop_index(f"ix_jobs_{column}_key", "jobs")
    op.execute("UPDATE jobs SET test_accuracy = NULL WHERE test_accuracy = -1")
    op.drop_column("jobs", "size_bytes")
    for table in ("jobs", "comparisons"):
        op.drop_index(f"ix_{table}_marked", table)
        op.drop_column(table, "deleted_at")


def _create_tags() -> None:
    op.create_table(
        "job_tags",
        sa.Column(
            "job_key",
            sa.Integer,
            sa.ForeignKey("jobs.key", name="fk_job_tags_job_key_jobs", ondelete="CASCADE"),
            nullable=False,
            autoincrement=False,
        ),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.String(80), nullable=False),
        sa.PrimaryKeyConstraint("job_key", "name", name="pk_job_tags"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_job_tags_name_value_job_key", "job_tags", ["name", "value", "job_key"])
    each = "jsonb_each_text" if op.get_bind().dialect.name == "postgresql" else "json_each"
    tags = f"SELECT jobs.key, tag.key, tag.value FROM jobs, {each}(jobs.tags) AS tag"  # noqa: S608
    op.execute(f"INSERT INTO job_tags (job_key, name, value) {tags}")
