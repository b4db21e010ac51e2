"""Paths in responses, below the prefix that a proxy puts before the service's own paths."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_prefix: ContextVar[str] = ContextVar("prefix", default="")


def link(path: str) -> str:
    """Return a path of ours as clients must ask for it."""
    return _prefix.get() + path


@contextmanager
def linking_below(prefix: str) -> Iterator[None]:
    """Put this prefix before every link that is made in the block."""
    token = _prefix.set(prefix)
    try:
        yield
    finally:
        _prefix.reset(token)
