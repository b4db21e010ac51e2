"""Answers as CSV: one table, a heading, numbers that read back as the same numbers."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Annotated, Any, Literal

from fastapi import Query, Request

from service.api.deps import accepted

Format = Literal["json", "csv"]
AskedFormat = Annotated[Format | None, Query(description="wins over Accept")]
MEDIA_TYPES: dict[Format, str] = {"json": "application/json", "csv": "text/csv"}
FORMATS = {media_type: form for form, media_type in MEDIA_TYPES.items()}
VARIED = {"Vary": "Accept"}
STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def content(example: Any) -> dict[int | str, dict[str, Any]]:
    """Document an answer that comes as JSON, with its example, and as CSV."""
    csv_schema = {"schema": {"type": "string"}}
    return {200: {"content": {"application/json": {"example": example}, "text/csv": csv_schema}}}


def chosen(request: Request, asked: Format | None) -> Format:
    """Choose the format: what is asked for, or what Accept prefers."""
    return asked or accepted(request, FORMATS, "json")


def table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Write rows under their heading; null is empty.

    A text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    text = StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _safe(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


def _safe(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(STARTS_A_FORMULA):
        return f"'{value}"
    return value
