"""The exact histories, stored span by span and read in windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from sqlalchemy import Select, bindparam, insert, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from models.specs.metrics import MetricRow
from service.store.postgresql_engine import BINARY
from service.store.tables import Metric

KEYS = MetricRow._fields
"""The figures of a row, in their order."""


@dataclass(frozen=True)
class Window:
    """Steps from `start` to `end`, both included."""

    start: int = 1
    end: int = 2**31 - 1
    evaluated: bool = False
    """Whether only steps with an evaluation are meant, be its figures finite or not."""


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


def read(
    session: Session, job_key: int, window: Window, limit: int, keys: Sequence[str] = KEYS
) -> Sequence[tuple[Any, ...]]:
    """Return at most `limit` rows of a job's history, in order of step, as plain tuples.

    Each has the figures that `keys` names, then `non_finite`: the names of its figures that were not finite,
    separated by spaces, or None if there are none. A figure that was not evaluated, or was not finite, is
    None, which `np.array(figures, float)` turns into NaN.
    """
    values = {"job_key": job_key, "start": window.start, "end": window.end, "most": limit}
    query = _select(tuple(keys), window.evaluated)
    # A result of SQLAlchemy would wrap each row in another object, which takes as long as reading it.
    cursor = session.connection().execute(query, values, execution_options=BINARY).cursor
    return cursor.fetchall()


@cache
def _select(keys: tuple[str, ...], evaluated: bool) -> Select[Any]:
    table = Metric.__table__
    query = select(*(table.c[key] for key in (*keys, "non_finite"))).where(
        table.c.job_key == bindparam("job_key"),
        table.c.step.between(bindparam("start"), bindparam("end")),
    )
    if evaluated:
        figures = (table.c.validation_loss, table.c.validation_accuracy)
        found = (figure.is_not(None) for figure in figures)
        query = query.where(or_(*found, table.c.non_finite.contains("validation")))
    return query.order_by(table.c.step).limit(bindparam("most"))
