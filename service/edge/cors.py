"""Cross-origin requests of pages whose origins the operator has listed; without any, there is no CORS."""

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from service.edge.raw_headers import header

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
READABLE = [
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Idempotency-Replayed",
    "Inference-Header-Content-Length",
    "Link",
    "Location",
    "Retry-After",
    "X-Request-ID",
]
"""Response headers that a page may read besides those that every page may."""
PREFLIGHT_SECONDS = 600


class Cors:
    """Let pages of exactly these origins read responses: they send a key, because no cookie is accepted.

    Requests of other origins are handled as if there were no CORS, so they are refused as all others are.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self.app, self.origins = app, frozenset(origin.encode() for origin in origins)
        self.cors = CORSMiddleware(
            app,
            allow_origins=list(origins),
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=READABLE,
            max_age=PREFLIGHT_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_listed = scope["type"] == "http" and header(scope, b"origin") in self.origins
        await (self.cors if is_listed else self.app)(scope, receive, send)
