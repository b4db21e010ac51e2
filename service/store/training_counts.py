"""How much the workers have trained and stored: counted by them, collected by the dispatcher."""

from collections.abc import Mapping
from itertools import accumulate
from typing import NamedTuple

COMMIT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the classes of times; a longer one is in the last class."""
STEPS = "training_steps"
MICROSECONDS = "span_commit_microseconds"
CLASSES = tuple(f"span_commits_le_{bound}" for bound in (*COMMIT_SECONDS, "inf"))
"""Names of counters, each of the times in one class only."""


class SpanCommits(NamedTuple):
    """Times that spans took to store: how many took at most so long, and all of them together."""

    within: list[tuple[str, int]]
    """Each bound and `+Inf`, and how many took at most that."""
    seconds: float


def class_of(seconds: float) -> str:
    """Return the counter of a time."""
    return next(
        (name for bound, name in zip(COMMIT_SECONDS, CLASSES, strict=False) if seconds <= bound), CLASSES[-1]
    )


def span_commits(counted: Mapping[str, int]) -> SpanCommits:
    """Return the times that these counters have."""
    bounds = [*map(str, COMMIT_SECONDS), "+Inf"]
    within = accumulate(counted.get(name, 0) for name in CLASSES)
    return SpanCommits(list(zip(bounds, within, strict=True)), counted.get(MICROSECONDS, 0) / 1e6)
