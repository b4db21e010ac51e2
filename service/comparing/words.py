"""Words and figures as the report and the page write them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from analysis import figures
from analysis.verdicts import IN_WORDS

UNKNOWN = "–"


def counted(n: int, what: str) -> str:
    """Write a number of things: 1 seed, 2 seeds."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def listed(names: Sequence[str]) -> str:
    """Write names as a list: a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def written(value: float | None, digits: int = 4) -> str:
    """Write a figure with these digits after the point."""
    return UNKNOWN if value is None else figures.written(value, digits)


def written_difference(value: float | None) -> str:
    """Write a difference with its sign."""
    return UNKNOWN if value is None else figures.signed(value)


def written_interval(interval: Sequence[float] | None) -> str:
    """Write an interval of differences by its ends."""
    return UNKNOWN if interval is None else " to ".join(map(figures.signed, interval))


def written_mean(found: Mapping[str, Any]) -> str:
    """Write the mean of a summary's statistics, with half of its 95 % interval."""
    mean, interval = found["mean"], found["interval"]
    if mean is None or interval is None:
        return written(mean)
    return f"{written(mean)} ± {written((interval[1] - interval[0]) / 2)}"


def written_arrival(found: Mapping[str, Any]) -> str:
    """Write the mean steps to an accuracy, or how many runs did not reach it."""
    if found["n"] and found["n_censored"] == found["n"]:
        return "not reached"
    if found["n_censored"]:
        return f"{found['n_censored']} of {found['n']} not reached"
    return written(found["mean"], 0)


FILTERS: dict[str, Callable[..., str]] = {
    "counted": counted,
    "figure": written,
    "difference": written_difference,
    "interval": written_interval,
    "mean": written_mean,
    "arrival": written_arrival,
    "verdict": IN_WORDS.__getitem__,
}
"""These functions by their names in templates."""
