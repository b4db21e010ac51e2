"""The request bodies of a route, declared beside it.

`_body_limits` in app.py looks up how many bytes each may have, and edge/bodies.py refuses larger ones.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

DEFAULT = {"application/json": "max_json_bytes"}
_NAME = "body_limits"


def takes_bodies(limits: Mapping[str, str]) -> Callable[[Endpoint], Endpoint]:
    """Declare the media types of a route's body, each with the setting that is its limit in bytes.

    A route that has a body and declares nothing takes JSON of at most max_json_bytes.
    """

    def declare(endpoint: Endpoint) -> Endpoint:
        vars(endpoint)[_NAME] = limits
        return endpoint

    return declare


def declared_limits(endpoint: Callable[..., Any]) -> Mapping[str, str] | None:
    """Return what a route has declared; None for one that has declared nothing."""
    found: Mapping[str, str] | None = vars(endpoint).get(_NAME)
    return found
