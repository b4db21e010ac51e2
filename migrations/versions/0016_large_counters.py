"""Let counters grow beyond 2³¹: a few workers train so many steps in a week."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("counters") as table:
        table.alter_column(
            "value", type_=sa.BigInteger(), existing_type=sa.Integer(), existing_nullable=False
        )


def downgrade() -> None:
    op.execute("DELETE FROM counters WHERE value >= 2147483648")
    with op.batch_alter_table("counters") as table:
        table.alter_column(
            "value", type_=sa.Integer(), existing_type=sa.BigInteger(), existing_nullable=False
        )
