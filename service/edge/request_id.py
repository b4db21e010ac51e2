"""An id for each request: in its state, its log lines and its response."""

import re
import time
from collections.abc import Callable
from urllib.parse import quote

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars
from uuid_utils import uuid7

from service.edge.operations import own_path
from service.edge.problems import problem_of
from service.edge.traces import trace_id_of

QUIET_PATHS = {"/livez", "/readyz", "/metrics"}
MAX_PATH_CHARS = 200
KEY = re.compile("normserve_[0-9A-Za-z]+")
"""A key, or the beginning of one: a client may put it into a path by mistake."""
NAMES = {"job": "job", "cmp": "comparison"}
"""How public ids begin, and the name in log lines of what they identify."""
_PUBLIC_ID = re.compile(r"/((job|cmp)_[0-9a-f]{32})(?:/|$)")

log = structlog.get_logger()

NoteEnd = Callable[[Scope, int | None, float], None]
"""Called with the status of a request that has ended, None if its client has left, and its seconds."""


def _note_nothing(_scope: Scope, _status: int | None, _seconds: float) -> None: ...


class RequestId:
    """Give each request an id such as `req_…`, and log one line when it ends.

    All its lines have the id, and the trace id of a valid traceparent. The header is not sent back: the
    recommendation has none for responses.
    """

    def __init__(self, app: ASGIApp, note_end: NoteEnd = _note_nothing) -> None:
        self.app, self.note_end = app, note_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = f"req_{uuid7().hex}"
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status: int | None = None
        started = time.perf_counter()

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status == 201:
                    state["created"] = _location(message)
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        trace_id = trace_id_of(scope)
        traced = {"trace_id": trace_id} if trace_id else {}
        # structlog's context manager would copy all context variables.
        bound = bind_contextvars(request_id=request_id, **traced)
        try:
            await self.app(scope, receive, send_named)
        finally:
            seconds = time.perf_counter() - started
            _log_request(scope, status, seconds)
            self.note_end(scope, status, seconds)
            reset_contextvars(**bound)


def _log_request(scope: Scope, status: int | None, seconds: float) -> None:
    """Log the line; without a status if the client disconnected before its response."""
    path = KEY.sub("normserve_…", own_path(scope))
    write = log.debug if path in QUIET_PATHS else log.info
    code = problem_of(scope)
    write(
        "request",
        method=scope["method"],
        # A line break or an escape sequence would forge lines on a terminal.
        path=(path if path.isprintable() else quote(path))[:MAX_PATH_CHARS],
        status=status,
        seconds=round(seconds, 6),
        **({"code": code} if code else {}),
        **_named(scope["state"].get("created") or path),
    )


def _named(path: str) -> dict[str, str]:
    """Return the id of the job or the comparison of a path, by the name of what it is."""
    found = _PUBLIC_ID.search(path)
    return {NAMES[found[2]]: found[1]} if found else {}


def _location(message: Message) -> str:
    return next((value.decode() for name, value in message["headers"] if name == b"location"), "")
