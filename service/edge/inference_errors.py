"""Errors of the inference protocol: every error below /v2 is an object with one member, `error`."""

import orjson
from starlette.responses import Response
from starlette.types import Scope

from service.edge.operations import own_path
from service.errors import NormserveError

ROOT = "/v2"
STATUSES = {409: 503, 422: 400}
"""The protocol's status for ours: a model that cannot predict is not ready, and a wrong request is 400."""
RETRY_AFTER_SECONDS = "5"
MAX_PLACES = 3
MAX_CHARS = 1000


def is_below_v2(scope: Scope) -> bool:
    """Return whether a request is one of the inference protocol."""
    return f"{own_path(scope)}/".startswith(f"{ROOT}/")


def inference_error(error: NormserveError) -> Response:
    """Respond with the error, the first places that it names, and its headers."""
    status = STATUSES.get(error.status, error.status)
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if status == 503 else {}
    places = [f"{place.pointer or 'the body'} {place.message}" for place in error.errors[:MAX_PLACES]]
    return protocol_response(status, "; ".join([error.detail, *places]), {**headers, **error.headers()})


def protocol_response(status: int, text: str, headers: dict[str, str]) -> Response:
    """Respond with an error of this status and text."""
    # A lone surrogate would make orjson refuse the text.
    plain = text[:MAX_CHARS].encode("utf-8", "replace").decode()
    return Response(orjson.dumps({"error": plain}), status, headers, "application/json")
