"""Who makes a request, and which scopes its key has."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

READ, TRAIN, PREDICT, ADMIN = "read", "train", "predict", "admin"
SCOPES = {
    READ: "see everything",
    TRAIN: "submit, change, cancel and delete jobs and comparisons",
    PREDICT: "predict with nets",
    ADMIN: "everything, such as changing what served names point at",
}
"""What a key with a scope may do; admin includes the others."""
OPEN = "open"
"""In place of a scope: the operation needs no key."""


@dataclass(frozen=True)
class Caller:
    """The key behind a request, directly or by a session of the page."""

    key_id: str | None
    """The public id of the key; None where no key is needed."""
    name: str
    scopes: frozenset[str]
    """What it may do; with admin, all scopes."""
    number: int = 0
    """The number of the key in the database; 0 without a key."""


ANONYMOUS = Caller(None, "anonymous", frozenset(SCOPES))
"""Every caller where no keys are demanded."""
NOBODY = Caller(None, "nobody", frozenset())
"""Every caller of an open operation."""

_current: ContextVar[Caller] = ContextVar("caller", default=ANONYMOUS)


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """Return who makes a request; `scope` is its ASGI scope."""
    caller: Caller = scope["state"]["caller"]
    return caller


def current() -> Caller:
    """Return who makes the request that is handled now, in a thread too."""
    return _current.get()


@contextmanager
def calling(caller: Caller) -> Iterator[None]:
    """Make this the current caller in the block."""
    token = _current.set(caller)
    try:
        yield
    finally:
        _current.reset(token)
