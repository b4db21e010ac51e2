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
WarningCode = Literal["too_few_seeds", "diverged", "at_chance", "not_ended", "left_out", "without_times"]
OF_RUNS: dict[WarningCode, str] = {
    "diverged": f"diverged; they count as having chance accuracy, {CHANCE}, and no loss",
    "at_chance": "learned nothing; they succeeded, but with a test accuracy that is not above chance",
    "not_ended": "not ended yet; metrics and sentences will change",
    "left_out": "left out: cancelled, or failed for another reason",
}


def spec_warnings(comparison: Comparison) -> list[Warned]:
    """Return what is known without any result: whether so few seeds can show a difference."""
    n_arms, n_seeds = len(comparisons.arms_of(comparison)), len(comparison.spec["seeds"])
    needed = seeds_needed(n_arms - 1) if n_arms > 1 else 0
    return [_too_few_seeds(needed)] if n_seeds < needed else []


def summary_warnings(summary: Summary, runs: Sequence[RunRow], without_times: bool) -> Iterator[Warned]:
    """Yield what to know about a summary that depends on these runs."""
    if summary.seeds_needed:
        yield _too_few_seeds(summary.seeds_needed)
    shown = sum(arm.n for arm in summary.arms)
    without = Counter(run.status for run in runs if not has_result(run))
    unfinished = without["queued"] + without["running"]
    counts: dict[WarningCode, tuple[int, int]] = {
        "diverged": (sum(arm.n_diverged for arm in summary.arms), shown),
        "at_chance": (sum(arm.n_at_chance for arm in summary.arms), shown),
        "not_ended": (unfinished, len(runs)),
        "left_out": (without.total() - unfinished, len(runs)),
    }
    for code, (n_runs, n_all) in counts.items():
        if n_runs:
            yield _warning(code, f"{n_runs} of {n_all} runs: {OF_RUNS[code]}")
    if without_times:
        message = f"steps to an accuracy are not computed for more than {MOST_HISTORY_ROWS:,} rows"
        yield _warning("without_times", message)


def _too_few_seeds(needed: int) -> Warned:
    message = f"so few seeds cannot show a difference between these arms: {needed} are needed"
    return _warning("too_few_seeds", message, needed)


def _warning(code: WarningCode, message: str, seeds_needed: int | None = None) -> Warned:
    return {"code": code, "message": message, "seeds_needed": seeds_needed}
