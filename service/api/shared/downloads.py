"""The names of files that clients save: ids and fixed words, never a user's text."""

from collections.abc import Mapping

from service.api.shared.negotiation import VARY, TableFormat


def saved_as(name: str) -> dict[str, str]:
    """Return the header by which a browser saves a response under this name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def shown_as(name: str) -> dict[str, str]:
    """Return the header by which a browser shows a response, and saves it under this name if asked to."""
    return {"Content-Disposition": f'inline; filename="{name}"'}


def table_headers(chosen: TableFormat, name: str) -> Mapping[str, str]:
    """Return the headers of a table in the chosen format: a CSV file is saved under this name."""
    return {**VARY, **saved_as(f"{name}.csv")} if chosen == "csv" else VARY
