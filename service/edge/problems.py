"""Errors as application/problem+json (RFC 9457), or as pages for browsers; without what the client sent."""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice, takewhile
from typing import Any

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.edge.inference_errors import inference_error, is_below_v2, protocol_response
from service.edge.operations import own_path
from service.edge.raw_headers import announces_body, wants_page
from service.edge.rules import rule_of
from service.errors import FieldError, NormserveError

MEDIA_TYPE = "application/problem+json"
MAX_BYTES = 4096
MAX_ERRORS = 10
MAX_DETAIL_CHARS = 300
MAX_POINTER_CHARS = 160
MAX_MESSAGE_CHARS = 200
LINGER_SECONDS = 2.0
LINGER_BYTES = 32 * 2**20

Page = Callable[[NormserveError, str], Response]
"""Shows an error to people; its second argument is the id of the request."""
PAGES = "/ui/"
_PAGE = "normserve.error_page"
_SOURCES = {"body", "query", "path", "header", "cookie"}
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")

log = structlog.get_logger()


def problem_body(error: NormserveError, instance: str) -> bytes:
    """Render the error; `instance` is the request's id."""
    return _render(
        error.status, error.code, error.title, error.detail, instance=instance, errors=error.errors
    )


def problem_response(error: NormserveError, scope: Scope) -> Response:
    """Respond with the error: below /v2 as the inference protocol has it, and to browsers as a page."""
    note_problem(scope, error.code)
    if is_below_v2(scope):
        return inference_error(error)
    page: Page | None = scope.get(_PAGE)
    if page is not None and own_path(scope).startswith(PAGES) and wants_page(scope):
        return page(error, _request_id(scope))
    return Response(problem_body(error, _request_id(scope)), error.status, error.headers(), MEDIA_TYPE)


def note_problem(scope: Scope, code: str) -> None:
    """Leave the code of a request's problem where its log line finds it, and what counts requests."""
    scope.setdefault("state", {})["problem"] = code


def problem_of(scope: Scope) -> str | None:
    """Return the code of a request's problem, if it had one."""
    code: str | None = scope["state"].get("problem")
    return code


async def render_error(request: Request, exc: NormserveError) -> Response:
    """Respond with an error that a route has raised."""
    return problem_response(exc, request.scope)


async def render_http_exception(request: Request, exc: HTTPException) -> Response:
    """Respond to what the router itself refuses; 404 is not-found, 405 is method-not-allowed."""
    status = HTTPStatus(exc.status_code)
    code = status.phrase.lower().replace(" ", "-")
    note_problem(request.scope, code)
    if is_below_v2(request.scope):
        return protocol_response(status, status.description or status.phrase, dict(exc.headers or {}))
    detail = status.description or status.phrase
    body = _render(status, code, status.phrase, detail, instance=_request_id(request.scope))
    return Response(body, status, exc.headers, MEDIA_TYPE)


def _request_id(scope: Scope) -> str:
    return str(scope.get("state", {}).get("request_id", ""))


def _render(
    status: int, code: str, title: str, detail: str, *, instance: str, errors: Sequence[FieldError] = ()
) -> bytes:
    places = [_clip_place(error) for error in errors[:MAX_ERRORS]]
    members = {
        "type": f"/problems/{code}",
        "title": title,
        "status": int(status),
        "detail": sentence(detail),
        "instance": instance,
        "code": code,
        "errors": places,
    }
    while len(body := orjson.dumps(members)) > MAX_BYTES:
        places.pop()
    return body


def sentence(detail: str) -> str:
    """Write an error's detail as a sentence; the command line shows the same words after a colon."""
    text = _clip(detail, MAX_DETAIL_CHARS)
    if len(detail) > MAX_DETAIL_CHARS:
        return f"{text[:-1]}…"
    # A name of ours, such as NORMSERVE_PORT or learning_rate, keeps its letters.
    is_word = text.partition(" ")[0].isalpha()
    text = text[:1].upper() + text[1:] if is_word else text
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _clip_place(error: FieldError) -> FieldError:
    pointer = _clip(error.pointer, MAX_POINTER_CHARS + 1)
    if len(pointer) > MAX_POINTER_CHARS:
        pointer = pointer.rpartition("/")[0]
    return FieldError(pointer, error.code, _clip(error.message, MAX_MESSAGE_CHARS))


def _clip(text: str, limit: int) -> str:
    # A lone surrogate would make orjson refuse the whole problem.
    return text[:limit].encode("utf-8", "replace").decode()


def field_errors(pydantic_errors: Sequence[Mapping[str, Any]], prefix: str = "") -> list[FieldError]:
    """Translate pydantic's errors, at most as many as a problem can hold.

    FastAPI's leading "body", "query" and so on is left out of the pointer.
    An error whose context has "fields" is repeated for each of these fields.
    `prefix` is the pointer of the value that was validated.
    """
    found = (place for error in pydantic_errors for place in _places(error, prefix))
    return list(islice(found, MAX_ERRORS))


def _places(error: Mapping[str, Any], prefix: str) -> Iterator[FieldError]:
    location = error["loc"][1:] if error["loc"][:1] and error["loc"][0] in _SOURCES else error["loc"]
    rule = rule_of(error)
    fields = error.get("ctx", {}).get("fields")
    for place in [(*location, name) for name in fields] if fields else [location]:
        yield FieldError(prefix + pointer_to(place), error["type"], rule)


def pointer_to(location: Iterable[str | int]) -> str:
    """Write a location as an RFC 6901 pointer, up to the first name that is not plain.

    Such a name is the client's own text; plain names need no escaping.
    """
    plain = takewhile(_PLAIN_NAME.fullmatch, map(str, location))
    return "".join(f"/{name}" for name in plain)


@dataclass
class _Exchange:
    """The progress of one request and its response."""

    body_unread: bool
    response_started: bool = False


class Problems:
    """Respond to errors that escape the app, even while the client is still sending.

    `page` shows errors to browsers, here and in the app's own handlers.
    """

    def __init__(self, app: ASGIApp, page: Page | None = None) -> None:
        self.app, self.page = app, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope[_PAGE] = self.page
        exchange = _Exchange(body_unread=announces_body(scope))
        try:
            await self.app(scope, _noting_end(exchange, receive), _noting_start(exchange, send))
        except Exception as error:  # the safety net: nothing outside it can respond
            known = _known(error, scope)
            if exchange.response_started:
                note_problem(scope, known.code)
                raise
            response = problem_response(known, scope)
            if exchange.body_unread:
                await _respond_to_sender(response, receive, send)
            else:
                await response(scope, receive, send)


def _noting_end(exchange: _Exchange, receive: Receive) -> Receive:
    async def noting() -> Message:
        message = await receive()
        exchange.body_unread = exchange.body_unread and message.get("more_body", False)
        return message

    return noting


def _noting_start(exchange: _Exchange, send: Send) -> Send:
    async def noting(message: Message) -> None:
        exchange.response_started = True
        await send(message)

    return noting


def _known(error: Exception, scope: Scope) -> NormserveError:
    if isinstance(error, NormserveError):
        return error
    log.error("unhandled", request_id=_request_id(scope), exc_info=error)
    return NormserveError("The server failed; its log has the cause, with this instance as request_id.")


async def _respond_to_sender(response: Response, receive: Receive, send: Send) -> None:
    """Respond before the whole body has arrived, then discard the rest of it for a while.

    A server closes the socket once the response is complete. Closing with
    unread bytes resets the connection, which can destroy the response on its
    way, so the end of the response waits while the client sends.
    """
    headers = [*response.raw_headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    await _discard_body(receive)
    await send({"type": "http.response.body"})


async def _discard_body(receive: Receive) -> None:
    left_bytes = LINGER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while left_bytes > 0:
                message = await receive()
                left_bytes -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
