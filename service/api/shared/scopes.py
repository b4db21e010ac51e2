"""The scope that a key needs for a route, declared beside it."""

from collections.abc import Callable
from typing import Any

from service.api.shared.bodies import Endpoint

_NAME = "needed_scope"


def needs(scope: str) -> Callable[[Endpoint], Endpoint]:
    """Declare the scope of a route, or `OPEN`; without a declaration, no key opens it."""

    def declare(endpoint: Endpoint) -> Endpoint:
        vars(endpoint)[_NAME] = scope
        return endpoint

    return declare


def declared_scope(endpoint: Callable[..., Any] | None) -> str | None:
    """Return the scope that a route has declared."""
    found: str | None = vars(endpoint).get(_NAME) if endpoint is not None else None
    return found
