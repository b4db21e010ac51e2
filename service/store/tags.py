"""The index of tags: each tag of a job is a row too, by which jobs are found."""

from collections.abc import Mapping

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from service.store.tables import JobTag


def index(session: Session, tags: Mapping[int, Mapping[str, str]]) -> None:
    """Store the tags of these jobs, by key, instead of those that they had."""
    session.execute(delete(JobTag).where(JobTag.job_key.in_(tags)))
    rows = [
        {"job_key": key, "name": name, "value": value}
        for key, ours in tags.items()
        for name, value in ours.items()
    ]
    if rows:
        session.execute(insert(JobTag), rows)
