"""From the rows of a comparison to what the analysis takes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from sqlalchemy.orm import Session

from analysis.arrivals import arrival_in_training, arrival_on_test
from analysis.summary import Result
from service.api.deps import etag_of
from service.errors import FieldError, ValidationFailed
from service.store import comparisons, results
from service.store.results import History, RunRow
from service.store.tables import Comparison

RELEASE = version("normserve")
MOST_ROWS = 10_000_000
"""Of the histories in which times to an accuracy are looked for: more would take minutes."""
ROWS_AT_ONCE = 1_000_000
LEVELS = ("0.90", "0.95", "0.97")

Runs = Mapping[str, Sequence[RunRow]]
"""Of each arm, in the order of their seeds."""


@dataclass(frozen=True)
class State:
    """A comparison as it stands, and the learning rate that is asked for."""

    comparison: Comparison
    rate: float | None
    ended: bool
    revision: int
    """Grows with every change of a job: equal revisions, equal answers."""

    def etag(self, *asked: object) -> str:
        """Make an ETag of an answer, without computing it: another release may answer otherwise."""
        known = (RELEASE, self.comparison.id, self.comparison.label, self.rate, self.revision)
        return etag_of(repr((*known, *asked)).encode())


def state_of(session: Session, comparison_id: str, rate: float | None) -> State:
    """Look a comparison up; the first of its learning rates is taken where none is asked for."""
    comparison = comparisons.get(session, comparison_id)
    rates = comparisons.rates_of(comparison)
    if rate is not None and rate not in rates:
        rule = f"must be one of: {', '.join(map(str, rates))}" if rates else "the comparison has none"
        place = FieldError("/learning_rate", "unknown_rate", rule)
        raise ValidationFailed("the comparison was not trained with this learning rate", [place])
    progress = comparisons.progress(session, [comparison.key])[comparison.key]
    chosen = rates[0] if rates and rate is None else rate
    return State(comparison, chosen, progress.ended(), progress.revision)


def runs_at(runs: Iterable[RunRow], arms: Sequence[str], rate: float | None) -> Runs:
    """Sort runs by arm and seed; with a learning rate, only those that have it."""
    chosen = [run for run in runs if rate is None or run.spec["learning_rate"] == rate]
    chosen.sort(key=lambda run: run.seed)
    return {arm: [run for run in chosen if run.arm == arm] for arm in arms}


def has_diverged(run: RunRow) -> bool:
    """Tell whether the run ended because its loss was not finite."""
    return run.failure is not None and run.failure["code"] == "diverged"


def counts(run: RunRow) -> bool:
    """Tell whether the run has come to an end that says something of its arm."""
    return run.status == "succeeded" or has_diverged(run)


def too_many_rows(runs: Runs) -> bool:
    """Tell whether the histories of the runs that count are too long to be looked through."""
    return sum(_rows(run) for run in _counted(runs)) > MOST_ROWS


def ends_of(runs: Runs) -> dict[str, list[Result]]:
    """Answer the ends of all runs that count, without the times to an accuracy."""
    return {arm: [_end(run) for run in found if counts(run)] for arm, found in runs.items()}


def results_of(session: Session, runs: Runs) -> dict[str, list[Result]]:
    """Answer the ends of all runs that count, with the steps at which each level was reached."""
    found: dict[int, Result] = {}
    for batch in _batches(_counted(runs)):
        keys = [run.key for run in batch]
        in_training = results.histories(session, keys, "train_accuracy")
        on_test = results.histories(session, keys, "test_accuracy")
        found |= {run.key: _result(run, in_training[run.key], on_test[run.key]) for run in batch}
    return {arm: [found[run.key] for run in each if counts(run)] for arm, each in runs.items()}


def placed(history: History, steps: np.ndarray) -> np.ndarray:
    """Put a history at these steps, which ascend; NaN where it has no value."""
    values = np.full(len(steps), np.nan)
    values[np.searchsorted(steps, history.steps)] = history.values
    return values


def _counted(runs: Runs) -> list[RunRow]:
    return [run for found in runs.values() for run in found if counts(run)]


def _rows(run: RunRow) -> int:
    return run.latest["step"] if run.latest else 0


def _batches(runs: Sequence[RunRow]) -> Iterator[list[RunRow]]:
    """Divide runs so that the histories of a batch fit into memory, and into the time of a statement."""
    batch: list[RunRow] = []
    for run in runs:
        if batch and sum(map(_rows, batch)) + _rows(run) > ROWS_AT_ONCE:
            yield batch
            batch = []
        batch.append(run)
    yield batch


def _end(run: RunRow) -> Result:
    latest = run.latest or {}
    return Result(
        seed=run.seed,
        diverged=has_diverged(run),
        test_accuracy=latest.get("test_accuracy"),
        test_loss=latest.get("test_loss"),
        train_seconds=latest.get("elapsed_seconds"),
    )


def _result(run: RunRow, in_training: History, on_test: History) -> Result:
    train = placed(in_training, np.arange(1, _rows(run) + 1))
    order = np.argsort(on_test.steps)
    steps, test = on_test.steps[order], on_test.values[order]
    arrivals = {
        level: (
            arrival_in_training(train, float(level)),
            arrival_on_test(steps, test, float(level)),
        )
        for level in LEVELS
    }
    return Result(**{**vars(_end(run)), "arrivals": arrivals})
