"""Indexes of lists of jobs: by init, and the best of each init, norm, seed and status."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_jobs_init_key": ["init", "key"],
    "ix_jobs_init_test_accuracy_key": ["init", "test_accuracy", "key"],
    "ix_jobs_norm_test_accuracy_key": ["norm", "test_accuracy", "key"],
    "ix_jobs_seed_test_accuracy_key": ["seed", "test_accuracy", "key"],
    "ix_jobs_status_test_accuracy_key": ["status", "test_accuracy", "key"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, "jobs", columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "jobs")
