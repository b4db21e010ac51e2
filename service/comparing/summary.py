"""The summary of a comparison: computed from its runs, and kept once every run has ended."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy.orm import Session

from analysis.arrivals import summarise_arrivals
from analysis.summary import ArmDifference, ArmStatistics, Result, summarise
from service.comparing.runs import (
    LEVELS,
    by_arm,
    has_too_many_rows,
    last_results,
    read_results,
)
from service.comparing.specs import plan_of, specs_of_arms
from service.comparing.state import RELEASE, State, choice_of_rates
from service.comparing.warnings import summary_warnings
from service.errors import DatabaseUnavailable, StorageFull
from service.store import comparisons, results
from service.store.database import Database
from service.store.results import RunRow

Document = dict[str, Any]
"""A value that JSON can hold."""


def find_summary(session: Session, state: State) -> Document | None:
    """Return the summary if this release has kept it for this state."""
    text = results.stored_summaries(session, state.comparison, state.revision)
    kept = orjson.loads(text) if text else {}
    return _choose(kept["summaries"], state) if kept.get("release") == RELEASE else None


def compute_summary(session: Session, database: Database, state: State) -> Document:
    """Compute the summary; if every run has ended, also compute it at each learning rate, and keep all."""
    rates = [None, *comparisons.rates_of(state.comparison)] if state.ended else [state.rate]
    runs = results.runs(session, state.comparison)
    known: dict[int, Result] = {}
    summaries = [_summarise(session, state, runs, rate, known) for rate in rates]
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


def _summarise(
    session: Session, state: State, found: Sequence[RunRow], rate: float | None, known: dict[int, Result]
) -> Document:
    runs = by_arm(found, comparisons.arms_of(state.comparison), rate)
    without_times = has_too_many_rows(runs)
    arms = last_results(runs) if without_times else read_results(session, runs, known)
    summary = summarise(arms, state.comparison.spec["baseline"])
    specs = specs_of_arms(state.comparison, runs)
    steps = {spec["steps"] for spec in specs.values()}
    considered = found if rate is None else [run for each in runs.values() for run in each]
    return {
        "comparison_id": state.comparison.id,
        "baseline": summary.baseline,
        "learning_rate": rate,
        "rates_chosen_by": choice_of_rates(state.comparison, rate),
        "step": steps.pop() if len(steps) == 1 else None,
        "complete": state.ended,
        "arms": [_arm(arm, specs[arm.name]) for arm in summary.arms],
        "differences": [_difference(each) for each in summary.differences],
        "warnings": [*summary_warnings(summary, considered, without_times)],
    }


def _arm(arm: ArmStatistics, spec: Mapping[str, Any]) -> Document:
    never = summarise_arrivals([])
    times = {level: arm.time_to.get(level, (never, never)) for level in LEVELS}
    return {
        "arm": arm.name,
        "learning_rate": spec["learning_rate"],
        "n": arm.n,
        "n_diverged": arm.n_diverged,
        "n_at_chance": arm.n_at_chance,
        "test_accuracy": asdict(arm.test_accuracy),
        "test_loss": asdict(arm.test_loss),
        "train_seconds": asdict(arm.train_seconds),
        "time_to": {
            level: {"train": asdict(train), "test": asdict(test)} for level, (train, test) in times.items()
        },
        "parameters": _n_parameters(spec),
    }


def _n_parameters(spec: Mapping[str, Any]) -> int | None:
    layers = plan_of(spec)
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
