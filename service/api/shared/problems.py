"""The one schema of errors, and how an operation documents them."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from service.api.shared.schemas import Out
from service.errors import NormserveError, PathNotFound, ValidationFailed

EVERYWHERE = (400, 408, 413, 414, 421, 422, 431, 500)
"""Statuses that every operation can have: before its own code, the edge looks at the whole request."""
NEEDS_ORIGIN = 403
"""What methods that change something have besides: a page of another origin is refused."""
PROBLEM_TYPE = "application/problem+json"


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


WRONG_FIELD = InvalidField(pointer="/learning_rate", code="greater_than", message="must be greater than 0")
RETRY_AFTER = {
    "description": "Seconds after which the same request may succeed.",
    "schema": {"type": "integer"},
}


class InvalidBody(Exception):
    """A body that a schema refused after FastAPI had read it, with pydantic's errors."""

    def __init__(self, errors: Any) -> None:
        super().__init__("the body breaks a rule")
        self.errors = errors


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the errors of an operation, with those that every operation can have.

    The description of the API has each of these responses once, and references to it.
    """
    return {status: {"description": HTTPStatus(status).phrase} for status in sorted({*statuses, *EVERYWHERE})}


def problem_response(status: int) -> dict[str, Any]:
    """Describe the problems of a status, with an example of each code that it has."""
    kinds = {kind.code: kind for kind in _kinds(NormserveError) if kind.status == status}
    examples = {code: {"summary": kind.title, "value": _example(kind)} for code, kind in kinds.items()}
    schema = {"$ref": "#/components/schemas/Problem"}
    described = {
        "description": HTTPStatus(status).phrase,
        "content": {PROBLEM_TYPE: {"schema": schema, "examples": examples}},
    }
    if any(kind.retry_after_seconds for kind in kinds.values()):
        described["headers"] = {"Retry-After": RETRY_AFTER}
    return described


def _kinds(kind: type[NormserveError]) -> Iterator[type[NormserveError]]:
    for own in kind.__subclasses__():
        yield from _kinds(own)
    if kind is not PathNotFound:  # an operation has a path
        yield kind


def _example(kind: type[NormserveError]) -> dict[str, Any]:
    places = [WRONG_FIELD] if kind is ValidationFailed else []
    return Problem(
        type=f"/problems/{kind.code}",
        title=kind.title,
        status=kind.status,
        detail=f"{kind.title}.",
        instance="req_019ca0c4d1f87c10a6b5d2e3f4a5b6c7",
        code=kind.code,
        errors=places,
    ).model_dump()
