"""The one schema of errors, and how an operation documents them."""

from http import HTTPStatus
from typing import Any

from service.api.shared.schemas import Out

EVERYWHERE = (413, 422, 500)


class InvalidField(Out):
    """A field that is wrong: an RFC 6901 pointer into the body, or the name of a parameter."""

    pointer: str
    """RFC 6901 pointer to the field, or / and the name of the parameter; empty for the whole body."""
    code: str
    """The kind of rule that it breaks."""
    message: str
    """The rule that it breaks."""


class Problem(Out):
    """An error as in RFC 9457; `instance` is the request's id."""

    type: str
    """Path that identifies the kind of problem."""
    title: str
    """The kind of problem in words."""
    status: int
    """HTTP status of the response."""
    detail: str
    """What is wrong with this request, as a sentence."""
    instance: str
    """Id of the request, which is also in the log."""
    code: str
    """The kind of problem, for programs."""
    errors: list[InvalidField]
    """The fields that are wrong, at most 10."""


class InvalidBody(Exception):
    """A body that a schema refused after FastAPI had read it, with pydantic's errors."""

    def __init__(self, errors: Any) -> None:
        super().__init__("the body breaks a rule")
        self.errors = errors


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the errors of an operation, with those that every operation can have."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted({*statuses, *EVERYWHERE})
    }
