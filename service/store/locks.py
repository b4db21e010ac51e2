"""The order in which transactions lock rows: a comparison, its jobs by ascending key, then everything else.

Transactions that keep this order cannot wait for each other on PostgreSQL. A statement that changes several
jobs locks them in any order, so they are locked here first. SQLite lets only one writer in.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from service.store.tables import Job


def lock_jobs(session: Session, *which: ColumnElement[bool], most: int | None = None) -> Sequence[int]:
    """Lock these jobs, or the first `most`, in ascending order of their keys; return the keys.

    They still match the conditions once they are locked, and do so until the transaction ends.
    """
    chosen = select(Job.key).where(*which).order_by(Job.key).limit(most)
    # Rows that belong to these jobs can still be inserted: that takes a lock of their keys only.
    return session.scalars(chosen.with_for_update(key_share=True)).all()
