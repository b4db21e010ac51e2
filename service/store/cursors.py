"""Cursors: where a page ended, as an opaque string that only the same list accepts."""

import base64
import binascii
import json

from service.errors import InvalidCursor


def encode(name: str, values: list[int | float]) -> str:
    """Return the cursor of a page's last item; `name` is the list and its sort."""
    return base64.urlsafe_b64encode(json.dumps([name, *values]).encode()).decode().rstrip("=")


def decode(cursor: str, name: str, length: int) -> list[int | float]:
    """Return the `length` numbers of a cursor of the list `name`; raise InvalidCursor for any other."""
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        found, *values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError):
        raise InvalidCursor("the cursor is not one that this list returned") from None
    place: list[int | float] = values
    numbers = all(type(value) in {int, float} and abs(value) < 2**31 for value in values)
    if found != name or len(values) != length or not numbers:
        raise InvalidCursor("the cursor belongs to another list or another sort")
    return place


def last_step(cursor: str | None, name: str) -> int:
    """Return the step after which a page of the history `name` starts; 0 without a cursor."""
    # A forged cursor may have a step that does not fit into the column.
    return 0 if cursor is None else min(max(0, int(decode(cursor, name, 1)[0])), 2**31 - 2)
