"""Words that agree with numbers."""

from collections.abc import Sequence


def counted(n: int, what: str) -> str:
    """Write a number of things: 1 seed, 2 seeds."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def listed(names: Sequence[str]) -> str:
    """Write names as a list: a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
