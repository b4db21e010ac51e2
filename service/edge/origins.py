"""Refusal of what a page of another origin sends through a visitor's browser."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import ForeignOrigin

SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}
OWN_SITES = {"same-origin", "none"}


class Origins:
    """Refuse methods that change something if a page of another origin sends them.

    Browsers say so in Sec-Fetch-Site, or on plain HTTP in Origin alone; other clients send neither.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        may_change = scope["type"] == "http" and scope["method"] not in SAFE_METHODS
        if may_change and is_foreign(Headers(scope=scope)):
            raise ForeignOrigin("a page of another origin must not send this request")
        await self.app(scope, receive, send)


def is_foreign(headers: Headers) -> bool:
    """Return whether a browser sends a request for a page of another origin."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in OWN_SITES
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")
