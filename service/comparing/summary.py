"""The summary of a comparison: computed from its runs, and kept once every run has ended."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Literal

import orjson
from sqlalchemy.orm import Session

from analysis.arrivals import summarise_arrivals
from analysis.summary import CHANCE, ArmDifference, ArmStatistics, Summary, summarise
from service.comparing.runs import (
    LEVELS,
    MOST_HISTORY_ROWS,
    Runs,
    by_arm,
    has_result,
    has_too_many_rows,
    last_results,
    read_results,
)
from service.comparing.specs import plan_of
from service.comparing.state import RELEASE, State
from service.errors import DatabaseUnavailable, StorageFull
from service.store import comparisons, results
from service.store.database import Database
from service.store.results import RunRow

Document = dict[str, Any]
"""A value that JSON can hold."""
WarningCode = Literal["too_few_seeds", "diverged", "not_ended", "left_out", "without_times"]


def find_summary(session: Session, state: State) -> Document | None:
    """Return the summary if this release has kept it for this state."""
    text = results.stored_summaries(session, state.comparison, state.revision)
    kept = orjson.loads(text) if text else {}
    return _choose(kept["summaries"], state) if kept.get("release") == RELEASE else None


def compute_summary(session: Session, database: Database, state: State) -> Document:
    """Compute the summary; if every run has ended, compute and keep those of all learning rates."""
    rates: Sequence[float | None] = comparisons.rates_of(state.comparison) if state.ended else []
    runs = results.runs(session, state.comparison)
    summaries = [_summarise(session, state, runs, rate) for rate in rates or [state.rate]]
    if state.ended:
        text = orjson.dumps({"release": RELEASE, "summaries": summaries}).decode()
        # A read must not fail or wait because the disk is full or the database is busy.
        with suppress(StorageFull, DatabaseUnavailable), database.writing(patience_seconds=0) as writer:
            results.keep_summaries(writer, state.comparison, state.revision, text)
    return _choose(summaries, state)


def read_summary(session: Session, database: Database, state: State) -> Document:
    """Return the summary: the kept one if there is one."""
    return find_summary(session, state) or compute_summary(session, database, state)


def _choose(summaries: Sequence[Document], state: State) -> Document:
    return next(each for each in summaries if each["learning_rate"] == state.rate)


def _summarise(session: Session, state: State, found: Sequence[RunRow], rate: float | None) -> Document:
    runs = by_arm(found, comparisons.arms_of(state.comparison), rate)
    without_times = has_too_many_rows(runs)
    arms = last_results(runs) if without_times else read_results(session, runs)
    summary = summarise(arms, state.comparison.spec["baseline"])
    steps = {run.spec["steps"] for each in runs.values() for run in each}
    return {
        "comparison_id": state.comparison.id,
        "baseline": summary.baseline,
        "learning_rate": rate,
        "step": steps.pop() if len(steps) == 1 else None,
        "complete": state.ended,
        "arms": [_arm(arm, runs) for arm in summary.arms],
        "differences": [_difference(each) for each in summary.differences],
        "warnings": [*_warnings(summary, runs, without_times)],
    }


def _arm(arm: ArmStatistics, runs: Runs) -> Document:
    never = summarise_arrivals([])
    times = {level: arm.time_to.get(level, (never, never)) for level in LEVELS}
    return {
        "arm": arm.name,
        "n": arm.n,
        "n_diverged": arm.n_diverged,
        "test_accuracy": asdict(arm.test_accuracy),
        "test_loss": asdict(arm.test_loss),
        "train_seconds": asdict(arm.train_seconds),
        "time_to": {
            level: {"train": asdict(train), "test": asdict(test)} for level, (train, test) in times.items()
        },
        "parameters": _n_parameters(runs[arm.name][0]),
    }


def _n_parameters(run: RunRow) -> int | None:
    layers = plan_of(run.spec)
    return None if layers is None else sum(layer.n_parameters for layer in layers)


def _difference(each: ArmDifference) -> Document:
    return {
        "arm": each.arm,
        "metric": each.metric,
        "n": each.difference.n,
        "mean": each.difference.mean,
        "interval": each.difference.interval,
        "p": each.difference.p,
        "p_holm": each.p_holm,
        "probability_of_improvement": each.difference.probability_of_improvement,
        "verdict": each.verdict,
        "sentence": each.sentence,
    }


def _warnings(summary: Summary, runs: Runs, without_times: bool) -> Iterator[Document]:
    needed = summary.seeds_needed
    if needed:
        message = f"so few seeds cannot show a difference between these arms: {needed} are needed"
        yield _warning("too_few_seeds", message, needed)
    diverged = sum(arm.n_diverged for arm in summary.arms)
    without = Counter(run.status for found in runs.values() for run in found if not has_result(run))
    unfinished = without["queued"] + without["running"]
    counts: dict[WarningCode, tuple[int, str]] = {
        "diverged": (
            diverged,
            f"diverged; they count as having chance accuracy, {CHANCE}, and no loss",
        ),
        "not_ended": (unfinished, "not ended yet; metrics and sentences will change"),
        "left_out": (without.total() - unfinished, "left out: cancelled, or failed for another reason"),
    }
    for code, (n_runs, words) in counts.items():
        if n_runs:
            yield _warning(code, f"{n_runs} of {sum(map(len, runs.values()))} runs: {words}")
    if without_times:
        message = f"steps to an accuracy are not computed for more than {MOST_HISTORY_ROWS:,} rows"
        yield _warning("without_times", message)


def _warning(code: WarningCode, message: str, seeds_needed: int | None = None) -> Document:
    return {"code": code, "message": message, "seeds_needed": seeds_needed}
