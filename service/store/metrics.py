"""The exact histories, stored span by span and read in windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.store.tables import Metric


@dataclass(frozen=True)
class Window:
    """Steps from `start` to `end`, both included."""

    start: int = 1
    end: int = 2**31 - 1


def add(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Store rows of a history; raise IntegrityError for a row that exists."""
    if session.get_bind().dialect.name == "postgresql":
        _copy(session, rows)
    else:
        session.execute(insert(Metric), rows)


def _copy(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    columns = [column.name for column in Metric.__table__.columns]
    statement = f"COPY metrics ({', '.join(columns)}) FROM STDIN"
    cursor = session.connection().connection.cursor()
    try:
        with cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row([row[column] for column in columns])
    except psycopg.Error as error:
        # SQLAlchemy did not run this statement, so it does not wrap the error.
        raise DBAPIError.instance(
            statement,
            None,
            error,
            psycopg.Error,
            connection_invalidated=cursor.connection.closed,
            dialect=session.get_bind().dialect,
        ) from error


def read(session: Session, job_key: int, window: Window, limit: int) -> Sequence[Metric]:
    """Return at most `limit` rows of a job's history, in order of step."""
    query = (
        select(Metric)
        .where(Metric.job_key == job_key, Metric.step.between(window.start, window.end))
        .order_by(Metric.step)
        .limit(limit)
    )
    return session.scalars(query).all()
