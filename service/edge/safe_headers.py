"""Headers that keep browsers from misusing a response, on every response."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RawHeaders = list[tuple[bytes, bytes]]

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# matplotlib writes the looks of an SVG into style attributes; browsers do so with a picture shown alone.
DATA_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAFE_HEADERS: RawHeaders = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
POLICY = b"content-security-policy"
_OF_DATA = [*SAFE_HEADERS, (POLICY, DATA_POLICY.encode())]
_OF_PAGES = [*SAFE_HEADERS, (POLICY, PAGE_POLICY.encode())]


class SafeHeaders:
    """Add to each response those of the headers that it does not have: pages get a policy for pages.

    A 304 gets no policy, because a browser would put it on the version that it has.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = with_safe_headers(message["status"], list(message.get("headers", ())))
            await send(message)

        await self.app(scope, receive, send_safely)


def with_safe_headers(status: int, headers: RawHeaders) -> RawHeaders:
    """Return the headers of a response, and after them the safe ones that it does not have."""
    given = dict(headers)
    if status == 304:
        safe = SAFE_HEADERS
    elif given.get(b"content-type", b"").startswith(b"text/html"):
        safe = _OF_PAGES
    else:
        safe = _OF_DATA
    return headers + [pair for pair in safe if pair[0] not in given]
