"""What handlers share: the app's parts, strict query strings, and answers that need not be sent twice."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar, cast

import orjson
from fastapi import Depends, Request
from fastapi.responses import Response

from service.api.waiting import Changes
from service.errors import FieldError, ValidationFailed
from service.serving.gallery import Gallery
from service.serving.pool import Pool
from service.serving.predictor import Predictor
from service.store.database import Database

MOST_PARAMETERS = 1000
Format = TypeVar("Format", bound=str)


@dataclass(frozen=True)
class Parts:
    """What one api process holds for all its requests."""

    database: Database
    predictor: Predictor
    gallery: Gallery
    pool: Pool
    """For predictions."""
    analysis: Pool
    """For statistics and figures of comparisons, which may take seconds."""
    changes: Changes
    limits: dict[str, int]


class InvalidBody(Exception):
    """A body that a schema refuses after FastAPI has read it, with pydantic's errors."""

    def __init__(self, errors: Any) -> None:
        super().__init__("the body breaks a rule")
        self.errors = errors


def parts(request: Request) -> Parts:
    """Answer the app's parts."""
    return cast(Parts, request.app.state.parts)


def database(request: Request) -> Database:
    """Answer the app's database."""
    return parts(request).database


TheParts = Annotated[Parts, Depends(parts)]
TheDatabase = Annotated[Database, Depends(database)]


async def refuse_unknown_query(request: Request) -> None:
    """Refuse a query parameter that the operation does not know, or that stands twice and may not."""
    if not request.query_params:
        return
    known = _query_parameters(request)
    given = Counter(name for name, _ in request.query_params.multi_items())
    if given.total() > MOST_PARAMETERS:
        _refuse("", "too_long", f"a query may have at most {MOST_PARAMETERS} parameters")
    for name, times in given.items():
        if name not in known:
            place = f"/{name}" if name.isidentifier() and len(name) <= 64 else ""
            _refuse(place, "extra_forbidden", f"is no parameter; there are: {', '.join(known) or 'none'}")
        if times > 1 and not known[name]:
            _refuse(f"/{name}", "repeated", "must be given once")


def _query_parameters(request: Request) -> dict[str, bool]:
    """Read from OpenAPI which query parameters an operation has, and which may stand more than once."""
    paths = request.app.openapi()["paths"]
    operation = paths.get(request.scope["route"].path, {}).get(request.method.lower(), {})
    return {
        parameter["name"]: "array" in json.dumps(parameter["schema"])
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }


def _refuse(pointer: str, code: str, message: str) -> None:
    raise ValidationFailed("a query parameter breaks a rule", [FieldError(pointer, code, message)])


def now() -> datetime:
    """Answer the time, aware and in UTC."""
    return datetime.now(UTC)


def accepted(request: Request, media_types: Mapping[str, Format], default: Format) -> Format:
    """Choose the first media type of Accept that there is, the default if there is none."""
    accept = request.headers.get("accept", "")
    names = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    return next((media_types[name] for name in names if name in media_types), default)


def tagged(
    request: Request,
    etag: str,
    content: Any,
    cache: str = "no-cache",
    media_type: str = "application/json",
) -> Response:
    """Answer with an ETag, or 304 to a client that has it already; what is not bytes becomes JSON."""
    headers = {"ETag": etag, "Cache-Control": cache}
    if has_current(request, etag):
        return Response(status_code=304, headers=headers)
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return Response(body, headers=headers, media_type=media_type)


def link_next(request: Request, answer: Response, cursor: str | None) -> Response:
    """Link a page of a list to the next one, where there is one."""
    if cursor:
        url = request.url.include_query_params(cursor=cursor)
        answer.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return answer


def has_current(request: Request, etag: str) -> bool:
    """Tell whether the client says that it has this version."""
    known = request.headers.get("if-none-match", "")
    return etag in {part.strip().removeprefix("W/") for part in known.split(",")}


def etag_of(body: bytes) -> str:
    """Make an ETag of the content itself."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'
