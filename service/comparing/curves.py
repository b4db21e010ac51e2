"""The histories of a comparison's arms as curves with bands."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from analysis.curves import BandKind, Curve, evenly_spaced, mean_curve
from service.comparing.runs import Runs, align_to_steps, has_diverged, read_runs
from service.comparing.specs import method_of, specs_of_arms
from service.comparing.state import State
from service.store import results
from service.store.metrics import Window
from service.store.results import RunRow

MOST_SINGLE_FIGURES = 200_000
"""Most figures in the curves of single runs, all together: more runs, fewer points."""

CurveMetric = Literal[
    "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy"
]


@dataclass(frozen=True)
class ArmHistories:
    """The curve of an arm at these steps, shape [n_steps], and of its runs, shape [n_runs, n_steps]."""

    arm: str
    method: str
    """Its norm, with "+init" if it has init."""
    learning_rate: float | None
    """None if it has no run."""
    steps: NDArray[np.int64]
    curve: Curve
    seeds: list[int]
    histories: NDArray[np.float64]
    diverged: list[dict[str, int]]
    """Seed of each run that diverged, and the step at which it did."""

    def document(self, with_runs: bool) -> dict[str, Any]:
        """Return the curve with NumPy arrays as columns, which orjson can write; NaN becomes null."""
        single = [
            {"seed": seed, "y": np.ascontiguousarray(values)}
            for seed, values in zip(self.seeds, self.histories, strict=True)
        ]
        columns = {
            "n": self.curve.n,
            "x": self.steps,
            "mean": self.curve.mean,
            "low": self.curve.low,
            "high": self.curve.high,
        }
        return {
            "arm": self.arm,
            "method": self.method,
            "learning_rate": self.learning_rate,
            **{name: np.ascontiguousarray(column) for name, column in columns.items()},
            "runs": single if with_runs else None,
            "diverged": self.diverged,
        }

    def rows(self, with_runs: bool) -> Iterator[dict[str, Any]]:
        """Yield the curve point by point, or run by run with the point beside it; None is not a number."""
        drawn = self.curve
        figures = np.stack([drawn.mean, drawn.low, drawn.high], 1)
        points = zip(self.steps.tolist(), drawn.n.tolist(), map(_numbers, figures), strict=True)
        for place, (step, n, (mean, low, high)) in enumerate(points):
            point = {
                "arm": self.arm,
                "learning_rate": self.learning_rate,
                **{"step": step, "n": n, "mean": mean, "low": low, "high": high},
            }
            if not with_runs:
                yield point
                continue
            for seed, value in zip(self.seeds, _numbers(self.histories[:, place]), strict=True):
                yield {**point, "seed": seed, "value": value}


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def bounded_points(state: State, max_points: int) -> int:
    """Lower the number of points so that the curves of all single runs have a bounded size."""
    spec = state.comparison.spec
    return min(max_points, MOST_SINGLE_FIGURES // (len(spec["arms"]) * len(spec["seeds"])))


def read_curves(
    session: Session,
    state: State,
    metric: CurveMetric,
    band: BandKind,
    max_points: int,
    window: Window = Window(),  # noqa: B008 # it is frozen
) -> list[ArmHistories]:
    """Read one figure of all arms in a window of steps; the curves of a running comparison are shorter."""
    runs = read_runs(session, state)
    specs = specs_of_arms(state.comparison, runs)
    steps, histories = _histories(session, runs, metric, max_points, window)
    return [_curve(arm, specs[arm], found, steps, histories, band) for arm, found in runs.items()]


def _histories(
    session: Session, runs: Runs, metric: CurveMetric, max_points: int, window: Window
) -> tuple[dict[int, NDArray[np.int64]], dict[int, NDArray[np.float64]]]:
    """Read the figure of each run, by key: the steps, and the values at these steps."""
    steps: dict[int, NDArray[np.int64]] = {}
    histories: dict[int, NDArray[np.float64]] = {}
    for schedule, keys in _by_schedule(runs).items():
        chosen = _steps(metric, *schedule, max_points, window)
        steps |= dict.fromkeys(keys, chosen)
        read = results.histories(session, keys, metric, chosen.tolist())
        histories |= {key: align_to_steps(history, chosen) for key, history in read.items()}
    return steps, histories


def _curve(
    arm: str,
    spec: Mapping[str, Any],
    runs: Sequence[RunRow],
    steps: Mapping[int, NDArray[np.int64]],
    histories: Mapping[int, NDArray[np.float64]],
    band: BandKind,
) -> ArmHistories:
    values = np.stack([histories[run.key] for run in runs]) if runs else np.empty((0, 0))
    begun = np.flatnonzero(np.isfinite(values).any(0))
    seen = slice(begun[-1] + 1 if len(begun) else 0)
    return ArmHistories(
        arm=arm,
        method=method_of(spec),
        learning_rate=spec["learning_rate"],
        steps=(steps[runs[0].key] if runs else np.empty(0, np.int64))[seen],
        curve=mean_curve(values[:, seen], band),
        seeds=[run.seed for run in runs],
        histories=values[:, seen],
        diverged=[{"seed": run.seed, "step": _last_step(run)} for run in runs if has_diverged(run)],
    )


def _last_step(run: RunRow) -> int:
    """Return the step at which a run diverged; its failure has none if its net was found not finite later."""
    step: int = (run.failure or {}).get("step") or (run.latest or {}).get("step", 0)
    return step


def _by_schedule(runs: Runs) -> dict[tuple[int, int, int], list[int]]:
    """Group the keys of runs that are evaluated at the same steps."""
    keys = defaultdict(list)
    for run in (run for found in runs.values() for run in found):
        keys[run.spec["steps"], run.spec["eval_every"], run.spec["checkpoint_every"]].append(run.key)
    return keys


def _steps(
    metric: CurveMetric, steps: int, eval_every: int, checkpoint_every: int, max_points: int, window: Window
) -> NDArray[np.int64]:
    """Choose at most `max_points` of the steps of the window at which a run has this figure."""
    before, last = min(window.start - 1, steps), min(window.end, steps)
    if metric.startswith("train"):
        return evenly_spaced(last - before, max_points) + before + 1
    skipped, seen = (
        int(_due(np.array(step), eval_every, checkpoint_every)) for step in (before, min(last, steps - 1))
    )
    n_evaluated = seen + (last == steps) - skipped
    return _evaluated(evenly_spaced(n_evaluated, max_points) + skipped, steps, eval_every, checkpoint_every)


def _due(steps: NDArray[np.int64], eval_every: int, checkpoint_every: int) -> NDArray[np.int64]:
    """Count the evaluations up to these steps, without that of the last step of a run."""
    both = math.lcm(eval_every, checkpoint_every)
    return steps // eval_every + steps // checkpoint_every - steps // both


def _evaluated(
    chosen: NDArray[np.int64], steps: int, eval_every: int, checkpoint_every: int
) -> NDArray[np.int64]:
    """Return the steps of these evaluations, counted from 0, by bisection: a run may have a million."""
    low, high = np.ones_like(chosen), np.full_like(chosen, steps)
    while (low < high).any():
        middle = (low + high) // 2
        due = _due(middle, eval_every, checkpoint_every)
        low, high = np.where(due > chosen, low, middle + 1), np.where(due > chosen, middle, high)
    return high
