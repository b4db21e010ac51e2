"""Insert or update in one statement, on both databases."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import DeclarativeBase, Session


def upsert(session: Session, table: type[DeclarativeBase], values: dict[str, Any], **changes: Any) -> None:
    """Insert a row; where its primary key exists, set `changes` instead, by default all the values."""
    keys = [column.name for column in table.__table__.primary_key]
    statement = _insert(session, table).values(values)
    session.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes or values))


def insert_if_new(session: Session, table: type[DeclarativeBase], values: dict[str, Any]) -> None:
    """Insert a row, unless its primary key exists."""
    session.execute(_insert(session, table).values(values).on_conflict_do_nothing())


def insert_all_if_new(session: Session, table: type[DeclarativeBase], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, except for those that break a unique constraint."""
    if rows:
        session.execute(_insert(session, table).on_conflict_do_nothing(), rows)


def _insert(session: Session, table: type[DeclarativeBase]) -> Any:
    return (sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert)(table)
