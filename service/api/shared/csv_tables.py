"""CSV: one table with a heading, whose numbers read back as the same numbers."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], heading: bool = True) -> bytes:
    """Write these columns of rows, under a heading; None is empty.

    A text that a spreadsheet would read as a formula gets an apostrophe in front.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    if heading:
        writer.writerow(columns)
    writer.writerows([_safe(row.get(name)) for name in columns] for row in rows)
    return text.getvalue().encode()


def _safe(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(STARTS_A_FORMULA):
        return f"'{value}"
    return value
