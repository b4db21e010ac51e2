"""Histories of a comparison's arms as curves with bands."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from analysis.curves import BandKind, Curve, evenly_spaced, mean_curve
from service.api import comparison_examples, csv_answers
from service.api.comparison_answers import Question, answer
from service.api.comparison_results import Runs, State, placed, runs_at
from service.api.comparison_view import ComparisonId
from service.api.csv_answers import AskedFormat
from service.api.deps import TheParts
from service.api.job_view import Out
from service.api.problems import problems
from service.api.summary import LearningRate
from service.store import comparisons, results

router = APIRouter(tags=["comparisons"])

MOST_POINTS = 2_000
MOST_SINGLE_FIGURES = 200_000
"""In curves of single runs, all together: more runs, fewer points."""

CurveMetric = Literal[
    "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy"
]
Band = Annotated[BandKind, Query(description="sd: mean ± sd; ci95: t interval of the mean; minmax: extremes")]


class RunCurveOut(Out):
    """The curve of one run, at the steps of its arm; null where it has no figure."""

    seed: int
    y: list[float | None]


class GroupOut(Out):
    """The curve of one arm; mean is null where no run has a figure, the band where it takes more runs."""

    key: str
    label: str
    n: list[int]
    """Runs that have a figure at the step: one that diverged has none any more."""
    x: list[int]
    mean: list[float | None]
    lo: list[float | None]
    hi: list[float | None]
    runs: list[RunCurveOut] | None


class CurvesOut(Out):
    """One figure of all arms along the steps, at the same steps in arms of equal length."""

    comparison_id: str
    metric: CurveMetric
    band: BandKind
    learning_rate: float | None
    x: Literal["step"]
    groups: list[GroupOut]


@dataclass(frozen=True)
class ArmCurve:
    """The curve of an arm at these steps, shape [n_steps], and of its runs, shape [n_runs, n_steps]."""

    arm: str
    method: str
    """The norm of the arm, and whether it has init."""
    steps: NDArray[np.int64]
    curve: Curve
    seeds: list[int]
    histories: NDArray[np.float64]


@router.get(
    "/comparisons/{comparison_id}/curves",
    response_model=CurvesOut,
    responses={**csv_answers.content(comparison_examples.CURVES), **problems(404, 503)},
)
async def get_curves(
    request: Request,
    parts: TheParts,
    comparison_id: ComparisonId,
    metric: CurveMetric = "test_accuracy",
    band: Band = "ci95",
    max_points: Annotated[int, Query(ge=10, le=MOST_POINTS)] = 300,
    runs: Annotated[bool, Query(description="the curve of each run too; in JSON only")] = False,
    learning_rate: LearningRate = None,
    format: AskedFormat = None,  # noqa: A002 # the API's word
) -> Response:
    """Answer the mean of one figure along the steps, and a band, over the runs of each arm.

    Long histories are thinned to evenly spaced steps, the first and the last among them.
    """
    form = csv_answers.chosen(request, format)
    details, media_type = ("curves", metric, band, max_points, runs, form), csv_answers.MEDIA_TYPES[form]
    question = Question(comparison_id, learning_rate, details, media_type, csv_answers.VARIED)

    def compute(session: Session, state: State) -> bytes:
        points = _bounded(state, max_points) if runs else max_points
        found = curves_of(session, state, metric, band, points)
        if form == "csv":
            return _table(found)
        body = {
            "comparison_id": comparison_id,
            "metric": metric,
            "band": band,
            "learning_rate": state.rate,
            "x": "step",
            "groups": [_group(each, runs) for each in found],
        }
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)

    return await answer(request, parts, question, compute)


def curves_of(
    session: Session, state: State, metric: CurveMetric, band: BandKind, max_points: int
) -> list[ArmCurve]:
    """Join the histories of one figure, arm by arm; a running comparison has shorter ones."""
    arms = comparisons.arms_of(state.comparison)
    runs = runs_at(results.runs(session, state.comparison), arms, state.rate)
    return list(_curves(session, runs, metric, band, max_points))


def _bounded(state: State, max_points: int) -> int:
    spec = state.comparison.spec
    return min(max_points, MOST_SINGLE_FIGURES // (len(spec["arms"]) * len(spec["seeds"])))


def _curves(
    session: Session, runs: Runs, metric: CurveMetric, band: BandKind, max_points: int
) -> Iterator[ArmCurve]:
    steps: dict[int, NDArray[np.int64]] = {}
    histories: dict[int, NDArray[np.float64]] = {}
    for grid, keys in _alike(runs).items():
        chosen = _steps(metric, *grid, max_points)
        steps |= dict.fromkeys(keys, chosen)
        read = results.histories(session, keys, metric, chosen.tolist())
        histories |= {key: placed(history, chosen) for key, history in read.items()}
    for arm, found in runs.items():
        values = np.stack([histories[run.key] for run in found])
        begun = np.flatnonzero(np.isfinite(values).any(0))
        seen = slice(begun[-1] + 1 if len(begun) else 0)
        yield ArmCurve(
            arm=arm,
            method=found[0].spec["norm"] + "+init" * found[0].spec["init"],
            steps=steps[found[0].key][seen],
            curve=mean_curve(values[:, seen], band),
            seeds=[run.seed for run in found],
            histories=values[:, seen],
        )


def _alike(runs: Runs) -> dict[tuple[int, int, int], list[int]]:
    """Put together the keys of runs that have their figures at the same steps."""
    keys = defaultdict(list)
    for run in (run for found in runs.values() for run in found):
        keys[run.spec["steps"], run.spec["eval_every"], run.spec["checkpoint_every"]].append(run.key)
    return keys


def _steps(
    metric: CurveMetric, steps: int, eval_every: int, checkpoint_every: int, max_points: int
) -> NDArray[np.int64]:
    """Choose at most so many of the steps at which a run has this figure."""
    if metric.startswith("train"):
        return evenly_spaced(steps, max_points) + 1
    evaluated = [np.arange(every, steps + 1, every) for every in (eval_every, checkpoint_every)]
    found = np.unique(np.concatenate([*evaluated, [steps]]))
    return found[evenly_spaced(len(found), max_points)]


def _group(found: ArmCurve, with_runs: bool) -> dict[str, Any]:
    single = [
        {"seed": seed, "y": np.ascontiguousarray(values)}
        for seed, values in zip(found.seeds, found.histories, strict=True)
    ]
    columns = {
        "n": found.curve.n,
        "x": found.steps,
        "mean": found.curve.mean,
        "lo": found.curve.low,
        "hi": found.curve.high,
    }
    return {
        "key": found.arm,
        "label": found.arm,
        **{name: np.ascontiguousarray(column) for name, column in columns.items()},
        "runs": single if with_runs else None,
    }


def _table(found: Sequence[ArmCurve]) -> bytes:
    columns = ("arm", "step", "n", "mean", "lo", "hi")
    return csv_answers.table(columns, (row for each in found for row in _rows(each)))


def _rows(found: ArmCurve) -> Iterator[Mapping[str, Any]]:
    drawn = found.curve
    figures = np.stack([drawn.mean, drawn.low, drawn.high], 1).tolist()
    for step, n, shown in zip(found.steps.tolist(), drawn.n.tolist(), figures, strict=True):
        mean, low, high = (None if np.isnan(value) else value for value in shown)
        yield {"arm": found.arm, "step": step, "n": n, "mean": mean, "lo": low, "hi": high}
