"""The format of a response: the query's, or else the one that the Accept header prefers."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from fastapi import Query, Request

from service.qualities import read_qualities

OVERRIDES_ACCEPT = "Format of the response; overrides the Accept header."
TableFormat = Literal["json", "csv"]
GivenTableFormat = Annotated[TableFormat | None, Query(description=OVERRIDES_ACCEPT)]
TABLE_TYPES: dict[TableFormat, str] = {"json": "application/json", "csv": "text/csv"}
VARY = {"Vary": "Accept"}

Format = TypeVar("Format", bound=str)


def choose_format(
    request: Request, given: Format | None, media_types: Mapping[Format, str], default: Format
) -> Format:
    """Return the given format, or the one with the highest quality in Accept, or the default.

    Of equal qualities the one that Accept names first is chosen.
    """
    if given is not None:
        return given
    formats = {media_type: each for each, media_type in media_types.items()}
    qualities = read_qualities(request.headers.get("accept", ""))
    acceptable = [name for name, quality in qualities.items() if name in formats and quality > 0]
    return formats[max(acceptable, key=qualities.__getitem__)] if acceptable else default
