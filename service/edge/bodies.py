"""Request bodies: only of the media types and sizes that a route takes, whole and in time."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.edge import strict_json
from service.errors import PayloadTooLarge, RequestTimeout, UnsupportedEncoding, UnsupportedMediaType

JSON = "application/json"
MAX_BYTES_ON_LOOP = 64 * 1024


@dataclass(frozen=True)
class BodyRule:
    """The bodies that one operation takes; `path` is a template such as /jobs/{id}/predict."""

    method: str
    path: str
    limits: Mapping[str, int]
    """The largest size in bytes, for each media type."""


class Bodies:
    """Read each body once, refuse the wrong ones, and replay the others to the app.

    It raises a refusal, if possible before it reads the body; Problems
    responds with it. An operation without a rule takes no body at all.
    """

    def __init__(
        self, app: ASGIApp, rules: Callable[[], Iterable[BodyRule]], deadline_seconds: float = 30.0
    ) -> None:
        self.app = app
        # This runs once the application has all its routes.
        self.rules = [(rule.method, _pattern(rule.path), rule.limits) for rule in rules()]
        self.deadline_seconds = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limits = self._limits(scope)
        media_type = _media_type(headers, limits) if limits else ""
        max_bytes = limits.get(media_type, 0)
        if _declared_bytes(headers) > max_bytes:
            raise _too_large(max_bytes)
        if not limits and "transfer-encoding" not in headers:
            await self.app(scope, receive, send)
            return
        body = await self._read(receive, max_bytes)
        if body is None:
            return
        if media_type == JSON:
            await _check_json(body)
        await self.app(scope, _replay(body, receive), send)

    def _limits(self, scope: Scope) -> Mapping[str, int]:
        for method, pattern, limits in self.rules:
            if method == scope["method"] and pattern.fullmatch(scope["path"]):
                return limits
        return {}

    async def _read(self, receive: Receive, max_bytes: int) -> bytes | None:
        """Read the whole body; None if the client has disconnected."""
        try:
            async with asyncio.timeout(self.deadline_seconds):
                return await _collect(receive, max_bytes)
        except TimeoutError:
            raise RequestTimeout(
                f"The whole body must arrive within {self.deadline_seconds:g} seconds."
            ) from None


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(map(re.escape, re.split(r"\{\w+\}", template))))


def _media_type(headers: Headers, limits: Mapping[str, int]) -> str:
    """Return the media type of the body; raise if it is not accepted, or if the body is compressed."""
    accepted = f"The Content-Type must be one of: {', '.join(limits)}."
    types = headers.getlist("content-type")
    media_type, *parameters = (part.strip().lower() for part in (types or [""])[0].split(";"))
    if len(types) != 1 or media_type not in limits:
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
    if max_bytes == 0:
        return PayloadTooLarge("This operation takes no body.")
    return PayloadTooLarge(f"The body may have at most {max_bytes} bytes.")


async def _collect(receive: Receive, max_bytes: int) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        if not message.get("more_body", False):
            return bytes(body)


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
