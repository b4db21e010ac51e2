"""From the runs of a comparison in the database to what the analysis takes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from sqlalchemy.orm import Session

from analysis.arrivals import arrival_in_training, arrival_on_test
from analysis.chance import is_at_chance
from analysis.rates import best_rate
from analysis.summary import CHANCE, Result
from models.specs.datasets import COUNTS, DATASETS
from models.specs.spec import TrainSpec
from service.comparing.state import State
from service.store import comparisons, results
from service.store.results import RunHistory, RunRow

MOST_HISTORY_ROWS = 10_000_000
"""Longest histories, all together, in which times to an accuracy are searched; more would take minutes."""
ROWS_AT_ONCE = 1_000_000
LEVELS = ("0.90", "0.95", "0.97")

Split = Literal["validation", "test"]
Runs = Mapping[str, Sequence[RunRow]]
"""The runs of each arm, sorted by seed."""


def read_runs(session: Session, state: State) -> Runs:
    """Read the runs at the state's learning rate, or at the best of each arm."""
    found = results.runs(session, state.comparison)
    return by_arm(found, comparisons.arms_of(state.comparison), state.rate)


def by_arm(runs: Iterable[RunRow], arms: Sequence[str], rate: float | None) -> Runs:
    """Group runs by arm and sort them by seed: those with this learning rate, or with the best of each arm.

    The best rate has the highest mean validation accuracy. An arm that was trained with several rates and has
    no result yet has no runs.
    """
    ours: dict[str, list[RunRow]] = {arm: [] for arm in arms}
    for run in sorted(runs, key=lambda run: run.seed):
        if run.arm in ours:
            ours[run.arm].append(run)
    rates = {arm: _best_rate(found) if rate is None else rate for arm, found in ours.items()}
    return {arm: [run for run in found if rate_of(run) == rates[arm]] for arm, found in ours.items()}


def rate_of(run: RunRow) -> float:
    """Return the learning rate that a run is trained with."""
    rate: float = run.spec["learning_rate"]
    return rate


def rates_of_arms(runs: Runs) -> dict[str, float | None]:
    """Return the learning rate of each arm; None for an arm without runs."""
    return {arm: rate_of(found[0]) if found else None for arm, found in runs.items()}


def accuracy_of(run: RunRow, split: Split) -> float | None:
    """Return the accuracy of a run's last step; a run that diverged has chance accuracy."""
    return CHANCE if has_diverged(run) else (run.latest or {}).get(f"{split}_accuracy")


def ended_at_chance(run: RunRow) -> bool:
    """Return whether a run succeeded and its last test accuracy is not above chance.

    A run on images that this release does not know is not judged.
    """
    accuracy = accuracy_of(run, "test")
    facts = DATASETS.get(run.spec.get("dataset", TrainSpec.model_fields["dataset"].default))
    if run.status != "succeeded" or accuracy is None or facts is None:
        return False
    return is_at_chance(accuracy, COUNTS["test"], facts.n_most_frequent)


def _best_rate(runs: Sequence[RunRow]) -> float | None:
    rates = {rate_of(run) for run in runs}
    if len(rates) == 1:
        return rates.pop()
    accuracies: dict[float, list[float]] = {rate: [] for rate in rates}
    for run in filter(has_result, runs):
        accuracy = accuracy_of(run, "validation")
        if accuracy is not None:
            accuracies[rate_of(run)].append(accuracy)
    return best_rate(accuracies)


def has_diverged(run: RunRow) -> bool:
    """Return whether the run ended because its loss or its net was not finite."""
    return run.failure is not None and run.failure["code"] == "diverged"


def has_result(run: RunRow) -> bool:
    """Return whether the run succeeded or diverged; any other end says nothing about its arm."""
    return run.status == "succeeded" or has_diverged(run)


def has_too_many_rows(runs: Runs) -> bool:
    """Return whether the histories of runs with a result are too long to search."""
    return sum(map(_n_rows, _with_result(runs))) > MOST_HISTORY_ROWS


def last_results(runs: Runs) -> dict[str, list[Result]]:
    """Return the results by the last step, without times to an accuracy."""
    return {arm: [_last_result(run) for run in found if has_result(run)] for arm, found in runs.items()}


def read_results(session: Session, runs: Runs, known: dict[int, Result]) -> dict[str, list[Result]]:
    """Return the results by the last step, with the steps at which each level was reached.

    `known` has the results that were read before, by the key of the run; this adds the others.
    """
    for batch in _batches([run for run in _with_result(runs) if run.key not in known]):
        keys = [run.key for run in batch]
        in_training = results.histories(session, keys, "train_accuracy")
        on_test = results.histories(session, keys, "test_accuracy")
        known |= {run.key: _result(run, in_training[run.key], on_test[run.key]) for run in batch}
    return {arm: [known[run.key] for run in each if has_result(run)] for arm, each in runs.items()}


def align_to_steps(history: RunHistory, steps: np.ndarray) -> np.ndarray:
    """Return the values of a history at these ascending steps; NaN where it has none."""
    values = np.full(len(steps), np.nan)
    values[np.searchsorted(steps, history.steps)] = history.values
    return values


def _with_result(runs: Runs) -> list[RunRow]:
    return [run for found in runs.values() for run in found if has_result(run)]


def _n_rows(run: RunRow) -> int:
    return run.latest["step"] if run.latest else 0


def _batches(runs: Sequence[RunRow]) -> Iterator[list[RunRow]]:
    """Split runs so that the histories of a batch fit into memory and into the time of a statement."""
    batch: list[RunRow] = []
    for run in runs:
        if batch and sum(map(_n_rows, batch)) + _n_rows(run) > ROWS_AT_ONCE:
            yield batch
            batch = []
        batch.append(run)
    yield batch


def _last_result(run: RunRow) -> Result:
    latest = run.latest or {}
    return Result(
        seed=run.seed,
        diverged=has_diverged(run),
        test_accuracy=latest.get("test_accuracy"),
        test_loss=latest.get("test_loss"),
        train_seconds=latest.get("elapsed_seconds"),
        at_chance=ended_at_chance(run),
    )


def _result(run: RunRow, in_training: RunHistory, on_test: RunHistory) -> Result:
    train = align_to_steps(in_training, np.arange(1, _n_rows(run) + 1))
    order = np.argsort(on_test.steps)
    steps, test = on_test.steps[order], on_test.values[order]
    arrivals = {
        level: (
            arrival_in_training(train, float(level), run.spec["batch_size"]),
            arrival_on_test(steps, test, float(level)),
        )
        for level in LEVELS
    }
    return Result(**{**vars(_last_result(run)), "arrivals": arrivals})
