"""What to know about a comparison before concluding anything from it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from analysis.seeds import seeds_needed
from analysis.summary import CHANCE, Summary
from service.comparing.runs import MOST_HISTORY_ROWS, has_result
from service.store import comparisons
from service.store.results import RunRow
from service.store.tables import Comparison

Warned = dict[str, Any]
"""Code, message, and the number of seeds that are needed if they are too few."""
WarningCode = Literal["too_few_seeds", "diverged", "not_ended", "left_out", "without_times"]


def spec_warnings(comparison: Comparison) -> list[Warned]:
    """Return what is known without any result: whether so few seeds can show a difference."""
    n_arms, n_seeds = len(comparisons.arms_of(comparison)), len(comparison.spec["seeds"])
    needed = seeds_needed(n_arms - 1) if n_arms > 1 else 0
    return [_too_few_seeds(needed)] if n_seeds < needed else []


def summary_warnings(summary: Summary, runs: Sequence[RunRow], without_times: bool) -> Iterator[Warned]:
    """Yield what to know about a summary that depends on these runs."""
    if summary.seeds_needed:
        yield _too_few_seeds(summary.seeds_needed)
    diverged = sum(arm.n_diverged for arm in summary.arms)
    without = Counter(run.status for run in runs if not has_result(run))
    unfinished = without["queued"] + without["running"]
    counts: dict[WarningCode, tuple[int, str]] = {
        "diverged": (
            diverged,
            f"diverged; they count with the accuracy of chance, {CHANCE}, and no loss",
        ),
        "not_ended": (unfinished, "not ended yet; figures and sentences will change"),
        "left_out": (without.total() - unfinished, "left out: they were cancelled or failed otherwise"),
    }
    for code, (n_runs, words) in counts.items():
        if n_runs:
            yield _warning(code, f"{n_runs} of {len(runs)} runs: {words}")
    if without_times:
        message = f"times to an accuracy are not computed for more than {MOST_HISTORY_ROWS:,} rows"
        yield _warning("without_times", message)


def _too_few_seeds(needed: int) -> Warned:
    message = f"so few seeds cannot show a difference between these arms: {needed} are needed"
    return _warning("too_few_seeds", message, needed)


def _warning(code: WarningCode, message: str, seeds_needed: int | None = None) -> Warned:
    return {"code": code, "message": message, "seeds_needed": seeds_needed}
