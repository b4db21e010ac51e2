"""Request bodies: only of the media types and sizes that a route takes, whole and in time."""

import asyncio
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.edge import strict_json
from service.edge.operations import Operations, own_path
from service.edge.raw_headers import announces_body
from service.errors import (
    MalformedJson,
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedEncoding,
    UnsupportedMediaType,
)

JSON = "application/json"
OTHER_NAMES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/x-bmp": "image/bmp",
    "image/x-ms-bmp": "image/bmp",
}
"""Media types that are not registered but in use, and what they mean."""
NO_TYPE, BYTES = "", "application/octet-stream"
"""NO_TYPE among the media types of a path: its bodies are JSON and may have no Content-Type, as clients of
the inference protocol send them; with BYTES, tensors may follow the JSON."""
TENSORS_AFTER = "inference-header-content-length"
NOTHING = b"{}"
"""What clients send as the body of an action that takes none, if they send anything."""
MAX_NOTHING_BYTES = 64
MAX_BYTES_ON_LOOP = 64 * 1024

Check = Callable[[bytes | bytearray, bool], None]
"""Raises PayloadTooLarge for a body so far that no operation takes; the flag says whether it is whole."""


class Bodies:
    """Read each body once, refuse the wrong ones, and replay the others to the app.

    It raises a refusal, if possible before it reads the body; Problems
    responds with it. An operation without limits takes no body, but a POST may send {}.
    """

    def __init__(self, app: ASGIApp, operations: Operations, deadline_seconds: float = 30.0) -> None:
        self.app, self.operations, self.deadline_seconds = app, operations, deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        operation = self.operations.find(scope)
        limits = operation.limits if operation else {}
        if not limits and not announces_body(scope):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        media_type = _media_type(headers, limits) if limits else ""
        is_action = not limits and scope["method"] == "POST"
        max_bytes = MAX_NOTHING_BYTES if is_action else limits.get(media_type, 0)
        refusal = _too_large(max_bytes) if limits else self._no_body(scope)
        if _declared_bytes(headers) > max_bytes:
            raise refusal
        check = partial(_check_nothing if is_action else _check_size, max_bytes, refusal)
        body = await self._read(receive, check)
        if body is None:
            return
        if TENSORS_AFTER in headers and limits.keys() >= {NO_TYPE, BYTES}:
            await _check_json(_without_tensors(headers[TENSORS_AFTER], body))
        elif media_type == JSON or (NO_TYPE in limits and body):
            body = body.removeprefix(BOM_UTF8)
            await _check_json(body)
        await self.app(scope, _replay(body, receive), send)

    def _no_body(self, scope: Scope) -> PayloadTooLarge:
        """Return the refusal of any body, which names the methods of the path that take one."""
        taking = [each.method for each in self.operations.of_path(own_path(scope)) if each.limits]
        others = " or ".join(taking)
        hint = f"; {others} does" if others else ""
        return PayloadTooLarge(f"{scope['method']} takes no body at this path{hint}.")

    async def _read(self, receive: Receive, check: Check) -> bytes | None:
        """Read the whole body; None if the client has disconnected."""
        try:
            async with asyncio.timeout(self.deadline_seconds):
                return await _collect(receive, check)
        except TimeoutError:
            raise RequestTimeout(
                f"The whole body must arrive within {self.deadline_seconds:g} seconds."
            ) from None


def _media_type(headers: Headers, limits: Mapping[str, int]) -> str:
    """Return the media type of the body; raise if it is not accepted, or if the body is compressed."""
    named = list(filter(None, limits))
    accepted = f"The Content-Type must be {'one of: ' if len(named) > 1 else ''}{', '.join(named)}."
    types = headers.getlist("content-type")
    media_type, *parameters = (part.strip().lower() for part in (types or [""])[0].split(";"))
    media_type = OTHER_NAMES.get(media_type, media_type)
    if len(types) > 1 or media_type not in limits:
        raise UnsupportedMediaType(accepted)
    if media_type == JSON and not _CHARSETS.issuperset(p for p in parameters if p.startswith("charset")):
        raise UnsupportedMediaType("JSON must be UTF-8, and so must its charset.")
    if any(coding.strip().lower() != "identity" for coding in headers.getlist("content-encoding")):
        raise UnsupportedEncoding("The body must be sent without Content-Encoding.")
    return media_type


_CHARSETS = frozenset({"charset=utf-8", 'charset="utf-8"'})


def _declared_bytes(headers: Headers) -> int:
    return int(headers.get("content-length", "0"))


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body may have at most {max_bytes} bytes.")


def _check_size(max_bytes: int, refusal: PayloadTooLarge, body: bytes | bytearray, _is_whole: bool) -> None:
    if len(body) > max_bytes:
        raise refusal


def _check_nothing(max_bytes: int, refusal: PayloadTooLarge, body: bytes | bytearray, is_whole: bool) -> None:
    sent = body.removeprefix(BOM_UTF8).strip()
    is_nothing = sent in (b"", NOTHING) if is_whole else NOTHING.startswith(sent)
    if len(body) > max_bytes or not is_nothing:
        raise refusal


async def _collect(receive: Receive, check: Check) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        is_whole = not message.get("more_body", False)
        check(body, is_whole)
        if is_whole:
            return bytes(body)


def _without_tensors(length: str, body: bytes) -> bytes:
    """Return the JSON of a body, without the bytes of tensors that follow it."""
    if not re.fullmatch("[0-9]{1,9}", length) or int(length) > len(body):
        raise MalformedJson("The Inference-Header-Content-Length must be the bytes of JSON in the body.")
    return body[: int(length)]


async def _check_json(body: bytes) -> None:
    if len(body) > MAX_BYTES_ON_LOOP:
        await run_in_threadpool(strict_json.check, body)
    else:
        strict_json.check(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replaying() -> Message:
        return whole.pop() if whole else await receive()

    return replaying
