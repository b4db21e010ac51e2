"""Connections whose request heads are small and arrive in time; uvicorn limits neither."""

import asyncio
from typing import Any

import structlog
from uuid_utils import uuid7
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.edge.problems import MEDIA_TYPE, problem_body
from service.edge.safe_headers import with_safe_headers
from service.errors import HeadersTooLarge, NormserveError, NoWebSockets, UriTooLong

MAX_URL_BYTES = 8 * 1024
MAX_HEADER_BYTES = 16 * 1024
MAX_HEADERS = 100
HEAD_SECONDS = 9.0
LINGER_SECONDS = 1.0
LINGER_BYTES = 2**20
MALFORMED = "malformed-request"
"""The code of what the parser refuses, in counts only: the response is the parser's."""

log = structlog.get_logger()


class LimitedHeads(HttpToolsProtocol):
    """Refuse long URLs, long headers, many headers and slow heads; the trailers of a body count as headers.

    httptools collects the parts of a header until it ends. So the pieces that bring neither the begin of a
    request, nor the end of its head, nor a part of a body are counted too: at most one of them is kept
    beyond the limit.
    """

    head_seconds = HEAD_SECONDS
    """Time for a head, from the connection or from its first byte; a class attribute for tests."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._n_headers = self._header_bytes = self._piece_bytes = self._late_bytes = 0
        self._in_head = self._moved = False
        self._refusal: NormserveError | None = None
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a piece of a request, unless one was refused."""
        if self._refusal:
            self._discard(len(data))
            return
        self._moved = False
        super().data_received(data)
        self._piece_bytes = 0 if self._moved else self._piece_bytes + len(data)
        if self._piece_bytes >= MAX_HEADER_BYTES and not self._refusal and not self.transport.is_closing():
            self._refusal = _headers_too_large()
            self.send_400_response("")
        self._watch_head()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._n_headers = self._header_bytes = 0
        self._in_head = self._moved = True

    def on_url(self, url: bytes) -> None:
        """Take a part of the URL."""
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            self._refuse(UriTooLong(f"the URL may have at most {MAX_URL_BYTES} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        self._n_headers += 1
        self._header_bytes += len(name) + len(value) + 4  # the colon, the space and the end of the line
        if self._n_headers > MAX_HEADERS or self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(_headers_too_large())
        if self._in_head:  # a trailer must not change what the app has read of the head
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to respond; in a target with a name, this name is the Host (RFC 9112, section 3.2.2)."""
        self._in_head, self._moved = False, True
        if not self.url.startswith(b"/") and b"://" in self.url:
            own = [pair for pair in self.headers if pair[0] != b"host"]
            self.headers[:] = [*own, (b"host", self.url.split(b"/", 3)[2])]
        if self.parser.should_upgrade() and self._get_upgrade() == b"websocket":
            self._refuse(NoWebSockets("the service has no WebSockets; GET /jobs/{id}/events streams events"))
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._moved = True
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Wait for the next head if it has begun."""
        super().on_response_complete()
        self._watch_head()

    def send_400_response(self, msg: str) -> None:
        """Respond with the refusal, or with 400 and the parser's words, unless a response is under way."""
        is_busy = self.cycle is not None and not self.cycle.response_complete
        if is_busy and (self._refusal or self.cycle.response_started):
            self.transport.close()  # anything written now would be a part of that response
        elif self._refusal is None:
            self.note_refusal(MALFORMED)
            self._write(400, {"content-type": "text/plain; charset=utf-8"}, msg.encode())
            self.transport.close()
        else:
            self._respond(self._refusal)

    def note_refusal(self, code: str) -> None:
        """Do nothing: a subclass may count what the app does not see."""

    def _refuse(self, refusal: NormserveError) -> None:
        self._refusal = refusal
        raise refusal  # ends the parser, and then uvicorn calls send_400_response

    def _respond(self, refusal: NormserveError) -> None:
        """Send the refusal, then discard for a moment what the client still sends, so that it reads it."""
        request_id = f"req_{uuid7().hex}"
        named = {"content-type": MEDIA_TYPE, "x-request-id": request_id}
        self._write(refusal.status, named, problem_body(refusal, request_id))
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
        self.note_refusal(refusal.code)
        log.info("request refused", status=refusal.status, code=refusal.code, request_id=request_id)

    def _write(self, status: int, named: dict[str, str], body: bytes) -> None:
        named = {**named, "content-length": str(len(body)), "connection": "close"}
        headers = with_safe_headers(status, [(name.encode(), named[name].encode()) for name in named])
        lines = [b"%s: %s\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))

    def _discard(self, n_bytes: int) -> None:
        self._late_bytes += n_bytes
        if self._late_bytes > LINGER_BYTES:
            self.transport.close()

    def _watch_head(self) -> None:
        """Start the time for a head when one is due, unless it runs; stop it when none is due.

        uvicorn ends its own wait for the next request with any byte, even with one that begins no request.
        """
        is_idle = self.cycle is None or self.cycle.response_complete
        if not is_idle or (not self._in_head and self.timeout_keep_alive_task):
            self._stop_watching()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_watching(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _headers_too_large() -> HeadersTooLarge:
    return HeadersTooLarge(
        f"the headers may be at most {MAX_HEADERS}, and have at most {MAX_HEADER_BYTES} bytes together"
    )
