"""Refusal of what a page of another origin sends through a visitor's browser."""

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from service.edge.raw_headers import header
from service.errors import ForeignOrigin

SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}
OWN_SITES = {b"same-origin", b"none"}


class Origins:
    """Refuse methods that change something if a page of another origin sends them.

    Browsers say so in Sec-Fetch-Site, or on plain HTTP in Origin alone; other clients send neither.
    The Host that Origin must equal is one of ours: Hosts has refused all others. Origins that are listed,
    such as https://lab.example.org, may send them too.
    """

    def __init__(self, app: ASGIApp, listed: Collection[str] = ()) -> None:
        self.app, self.listed = app, frozenset(origin.encode() for origin in listed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_unsafe = scope["type"] == "http" and scope["method"] not in SAFE_METHODS
        if is_unsafe and is_foreign(scope) and header(scope, b"origin") not in self.listed:
            raise ForeignOrigin("a page of another origin must not send this request")
        await self.app(scope, receive, send)


def is_foreign(scope: Scope) -> bool:
    """Return whether a browser sends a request for a page of another origin."""
    site = header(scope, b"sec-fetch-site")
    if site is not None:
        return site not in OWN_SITES
    origin = header(scope, b"origin")
    return origin is not None and origin.partition(b"://")[2] != header(scope, b"host")
