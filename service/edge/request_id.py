"""An id for each request: in its state, its log lines and its response."""

import re
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars
from uuid_utils import uuid7

from service.edge.operations import own_path

QUIET_PATHS = {"/livez", "/readyz"}
MAX_PATH_CHARS = 200
KEY = re.compile("normserve_[0-9A-Za-z]+")
"""A key, or the beginning of one: a client may put it into a path by mistake."""

log = structlog.get_logger()


class RequestId:
    """Give each request an id such as `req_…`, and log one line when it ends."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = f"req_{uuid7().hex}"
        scope.setdefault("state", {})["request_id"] = request_id
        status: int | None = None
        started = time.perf_counter()

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        # structlog's context manager would copy all context variables.
        bound = bind_contextvars(request_id=request_id)
        try:
            await self.app(scope, receive, send_named)
        finally:
            _log_request(scope, status, time.perf_counter() - started)
            reset_contextvars(**bound)


def _log_request(scope: Scope, status: int | None, seconds: float) -> None:
    """Log the line; without a status if the client disconnected before its response."""
    path = KEY.sub("normserve_…", own_path(scope))
    write = log.debug if path in QUIET_PATHS else log.info
    write(
        "request",
        method=scope["method"],
        path=path[:MAX_PATH_CHARS],
        status=status,
        seconds=round(seconds, 6),
    )
