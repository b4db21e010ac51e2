"""The trace that a request belongs to, as its client names it (W3C Trace Context)."""

import re

from starlette.types import Scope

_IDS = rb"(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_TRACEPARENT = re.compile(rb"00-%b|(?!00|ff)[0-9a-f]{2}-%b(?:-.*)?" % (_IDS, _IDS))
"""Version 00, and what the recommendation demands of later ones: they may append fields."""


def trace_id_of(scope: Scope) -> str | None:
    """Return the trace id of a request's only traceparent; None without a valid one."""
    given = [value for name, value in scope["headers"] if name == b"traceparent"]
    found = _TRACEPARENT.fullmatch(given[0]) if len(given) == 1 else None
    return (found[1] or found[2]).decode() if found else None
