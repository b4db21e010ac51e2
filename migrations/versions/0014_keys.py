"""Keep API keys and the sessions that pages have with them, and which key submitted each job."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("scopes", sa.String(40), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("id", name=op.f("uq_api_keys_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "key_sessions",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("key_number", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_key_sessions")),
        sa.ForeignKeyConstraint(
            ["key_number"], ["api_keys.key"], name=op.f("fk_key_sessions_key_number_api_keys")
        ),
    )
    op.create_index("ix_key_sessions_key_number", "key_sessions", ["key_number"])
    for table in ("jobs", "comparisons"):
        op.add_column(table, sa.Column("created_by_key", sa.Integer(), nullable=True))


def downgrade() -> None:
    for table in ("comparisons", "jobs"):
        op.drop_column(table, "created_by_key")
    op.drop_table("key_sessions")
    op.drop_table("api_keys")
