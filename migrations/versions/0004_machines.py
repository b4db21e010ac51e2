"""Keep how fast each machine with workers was when it started them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    double = sa.Float(53).with_variant(postgresql.DOUBLE_PRECISION(), "postgresql")
    op.create_table(
        "machines",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("torch_version", sa.String(40), nullable=False),
        sa.Column("cpu_capability", sa.String(40), nullable=False),
        sa.Column("seconds_per_call", double, nullable=False),
        sa.Column("seconds_per_flop", double, nullable=False),
        sa.Column("seconds_per_byte", double, nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_machines"),
    )


def downgrade() -> None:
    op.drop_table("machines")
