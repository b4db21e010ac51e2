"""Keep served models: names, and the checkpoint that each version of a name serves."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "served_models",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_served_models")),
        sa.UniqueConstraint("name", name=op.f("uq_served_models_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "model_versions",
        sa.Column("model_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job_key", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("model_key", "version", name=op.f("pk_model_versions")),
        sa.ForeignKeyConstraint(
            ["model_key"],
            ["served_models.key"],
            name=op.f("fk_model_versions_model_key_served_models"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["job_key", "step"],
            ["checkpoints.job_key", "checkpoints.step"],
            name=op.f("fk_model_versions_job_key_step_checkpoints"),
        ),
    )
    op.create_index("ix_model_versions_job_key_step", "model_versions", ["job_key", "step"])


def downgrade() -> None:
    op.drop_table("model_versions")
    op.drop_table("served_models")
