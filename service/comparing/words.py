"""Words that agree with numbers."""


def counted(n: int, what: str) -> str:
    """Write a number of things: 1 seed, 2 seeds."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
