"""The exact histories, stored span by span and read in windows."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import compress
from typing import Any

import psycopg
from sqlalchemy import Select, bindparam, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from models.specs.metrics import MetricRow
from service.store.postgresql_engine import BINARY
from service.store.tables import Metric

KEYS = MetricRow._fields
"""The figures of a row, in their order."""
COLUMNS = ("job_key", *KEYS, "non_finite")


@dataclass(frozen=True)
class Window:
    """Steps from `start` to `end`, both included."""

    start: int = 1
    end: int = 2**31 - 1
    evaluated: bool = False
    """Whether only steps with an evaluation are meant, be its figures finite or not."""


def add(session: Session, job_key: int, rows: Sequence[MetricRow]) -> None:
    """Store rows of a history; raise IntegrityError for a row that exists."""
    stored = [_stored(job_key, row) for row in rows]
    if session.get_bind().dialect.name == "postgresql":
        _copy(session, stored)
    else:
        _insert(session, stored)


def _stored(job_key: int, row: MetricRow) -> tuple[Any, ...]:
    """Return the values of all columns; a figure that is not finite is None and named in `non_finite`."""
    if math.isfinite(sum(filter(None, row))):
        return (job_key, *row, None)
    names = row.non_finite()
    figures = (None if name in names else figure for name, figure in row._asdict().items())
    return (job_key, *figures, " ".join(names) or None)


def _insert(session: Session, stored: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, those without an evaluation apart: the driver takes ten times as long for a None."""
    alike: defaultdict[tuple[bool, ...], list[tuple[Any, ...]]] = defaultdict(list)
    for values in stored:
        present = tuple([value is not None for value in values])
        alike[present].append(tuple(compress(values, present)))
    for present, rows in alike.items():
        names = list(compress(COLUMNS, present))
        places = ", ".join("?" * len(names))
        statement = f"INSERT INTO metrics ({', '.join(names)}) VALUES ({places})"  # noqa: S608
        session.connection().exec_driver_sql(statement, rows)


def _copy(session: Session, stored: Sequence[tuple[Any, ...]]) -> None:
    statement = f"COPY metrics ({', '.join(COLUMNS)}) FROM STDIN"
    cursor = session.connection().connection.cursor()
    try:
        with cursor.copy(statement) as copy:
            for values in stored:
                copy.write_row(values)
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
