"""Keep with each job how fast its newest attempt trains, and with which kernels; NULL for older attempts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("resumed_step", sa.Integer()))
    double = sa.Float(53).with_variant(DOUBLE_PRECISION(), "postgresql")
    op.add_column("jobs", sa.Column("attempt_seconds", double))
    op.add_column("jobs", sa.Column("kernels_sha256", sa.String(64)))


def downgrade() -> None:
    op.drop_column("jobs", "kernels_sha256")
    op.drop_column("jobs", "attempt_seconds")
    op.drop_column("jobs", "resumed_step")
