"""Keep the summary of a comparison once it is computed."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("comparisons", sa.Column("summaries", sa.Text()))
    op.add_column("comparisons", sa.Column("summaries_revision", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("comparisons", "summaries_revision")
    op.drop_column("comparisons", "summaries")
