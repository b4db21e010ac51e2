"""Compressed responses for clients that accept them: gzip, and zstd where Python has it.

Starlette's middleware takes `gzip;q=0` for a client that accepts gzip, and leaves ETags strong.
"""

import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.edge.raw_headers import header
from service.qualities import read_qualities

MIN_BYTES = 1_000  # a smaller response fits into one packet
MAX_BYTES_ON_LOOP = 128 * 1024  # compressed in about 0.5 ms
GZIP_LEVEL = 1  # level 6 makes a history 15 % smaller, and takes 2.6 times as long
GZIP_WINDOW = 16 + zlib.MAX_WBITS
COMPRESSIBLE = {
    "application/json",
    "application/x-ndjson",
    "application/javascript",
    "application/openmetrics-text",
    "image/svg+xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/javascript",
    "text/markdown",
    "text/plain",
}
"""All other types are compressed already, or must arrive event by event, or are asked for in parts."""


class Coding(NamedTuple):
    """A way to compress: its name, what makes a compressor, and how that flushes a part."""

    name: str
    compressor: Callable[[], Any]
    flush_part: int


CODINGS = [
    Coding("gzip", lambda: zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW), zlib.Z_SYNC_FLUSH)
]
if sys.version_info >= (3, 14):
    zstd = import_module("compression.zstd")
    CODINGS.insert(0, Coding("zstd", zstd.ZstdCompressor, zstd.ZstdCompressor.FLUSH_BLOCK))


def choose_coding(accept_encoding: str, codings: Sequence[Coding] = CODINGS) -> Coding | None:
    """Return the coding that a client prefers, of equal qualities the first; None if it prefers none."""
    qualities = read_qualities(accept_encoding)
    others = qualities.get("*", 0.0)
    found = {coding: qualities.get(coding.name, others) for coding in codings}
    best = max(codings, key=found.__getitem__)
    return best if found[best] > 0 and found[best] >= qualities.get("identity", 0.0) else None


class Compression:
    """Compress what a client accepts compressed; each part of a stream is sent at once.

    The ETag of a compressed response is weak: its bytes differ, and its meaning is the same.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        response = _Response(send, scope)
        await self.app(scope, receive, response.send)


@dataclass
class _Response:
    """A response on its way; one that can be compressed starts with its first part."""

    onward: Send
    scope: Scope
    held: tuple[Message, Coding] | None = None
    compress: Callable[[bytes, bool], bytes] | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._start(message)
        elif self.held is not None:
            await self._first_part(message, *self.held)
        else:
            await self.onward(await self._compressed(message))

    async def _start(self, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        headers.add_vary_header("Accept-Encoding")
        if message["status"] == 304 and f"W/{headers.get('etag')}" in _text(self.scope, b"if-none-match"):
            _weaken(headers)
        accepted = _text(self.scope, b"accept-encoding")
        coding = choose_coding(accepted) if accepted else None
        if coding is not None and _is_compressible(message["status"], headers):
            self.held = (message, coding)
        else:
            await self.onward(message)

    async def _first_part(self, message: Message, start: Message, coding: Coding) -> None:
        self.held = None
        is_whole = not message.get("more_body", False)
        if not is_whole or len(message.get("body", b"")) >= MIN_BYTES:
            self.compress = partial(_compress_part, coding.compressor(), coding.flush_part)
            message = await self._compressed(message)
            headers = MutableHeaders(scope=start)
            headers["Content-Encoding"] = coding.name
            del headers["Content-Length"]
            if is_whole:
                headers["Content-Length"] = str(len(message["body"]))
            _weaken(headers)
        await self.onward(start)
        await self.onward(message)

    async def _compressed(self, message: Message) -> Message:
        if self.compress is None:
            return message
        body, is_last = message.get("body", b""), not message.get("more_body", False)
        if len(body) > MAX_BYTES_ON_LOOP:
            return {**message, "body": await run_in_threadpool(self.compress, body, is_last)}
        return {**message, "body": self.compress(body, is_last)}


def _compress_part(compressor: Any, flush_part: int, body: bytes, is_last: bool) -> bytes:
    start: bytes = compressor.compress(body)
    rest: bytes = compressor.flush() if is_last else compressor.flush(flush_part)
    return start + rest


def _text(scope: Scope, name: bytes) -> str:
    return (header(scope, name) or b"").decode("latin-1")


def _is_compressible(status: int, headers: Headers) -> bool:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return status < 300 and status != 206 and media_type in COMPRESSIBLE and "content-encoding" not in headers


def _weaken(headers: MutableHeaders) -> None:
    etag = headers.get("etag")
    if etag is not None and not etag.startswith("W/"):
        headers["ETag"] = f"W/{etag}"
