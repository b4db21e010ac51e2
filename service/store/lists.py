"""Lists, page by page, and single rows by their public ids."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.store import cursors, public_ids

T = TypeVar("T")


class Page(NamedTuple, Generic[T]):
    """Some items of a list, and the cursor of the next ones where there are more."""

    items: Sequence[T]
    next_cursor: str | None


def newest_first(
    query: Select[Any],
    key: InstrumentedAttribute[int],
    name: str,
    limit: int,
    cursor: str | None,
    read: Callable[[Select[Any]], Iterable[T]],
) -> Page[T]:
    """Return a page of the rows of a query, which does not shift while others arrive; raise InvalidCursor.

    `read` returns the items of a query, which have the attribute `key`; `name` is the list in its cursors.
    """
    if cursor is not None:
        query = query.where(key < cursors.decode(cursor, name, 1)[0])
    found = list(read(query.order_by(key.desc()).limit(limit + 1)))
    if len(found) <= limit:
        return Page(found, None)
    last: Any = found[limit - 1]
    return Page(found[:limit], cursors.encode(name, [last.key]))


def find(session: Session, kind: str, public_id: str, query: Select[T], to_change: bool = False) -> T | None:
    """Return the row that a query finds by a public id of this kind, locked if it is `to_change`."""
    if not public_ids.is_valid(kind, public_id):
        return None
    return session.scalar(query.with_for_update() if to_change else query)
