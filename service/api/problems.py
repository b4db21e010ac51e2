"""Problems in OpenAPI: one schema for every error of every operation."""

from http import HTTPStatus
from typing import Any

from service.api.job_view import Out

EVERYWHERE = (413, 422, 500)


class PlaceOut(Out):
    """One wrong place: an RFC 6901 pointer into the body, or the name of a parameter."""

    pointer: str
    code: str
    message: str


class Problem(Out):
    """An error of RFC 9457; `instance` is the request's id."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[PlaceOut]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the errors of an operation; every one has limits, refuses unknown parameters and can fail."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted({*statuses, *EVERYWHERE})
    }
