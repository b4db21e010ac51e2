"""Keep with each job what decides which others it is trained with; jobs of before are trained alone."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("shape", sa.String(64)))
    op.add_column("jobs", sa.Column("run_bytes", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("jobs", "run_bytes")
    op.drop_column("jobs", "shape")
