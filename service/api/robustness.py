"""The learning rates that each arm of a comparison bears."""

from collections.abc import Sequence
from statistics import fmean
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from analysis.robustness import widest_range
from service.api import comparison_examples, csv_answers
from service.api.comparison_answers import Question, answer
from service.api.comparison_results import State, ends_of, runs_at
from service.api.comparison_view import ComparisonId
from service.api.csv_answers import AskedFormat
from service.api.deps import TheParts
from service.api.job_view import Out
from service.api.problems import problems
from service.errors import NoLearningRates
from service.store import comparisons, results
from service.store.results import RunRow

router = APIRouter(tags=["comparisons"])


class RateOut(Out):
    """An arm at one learning rate."""

    learning_rate: float
    n: int
    n_diverged: int
    mean_test_accuracy: float | None
    """Of the last step; a run that diverged counts with the accuracy of chance."""


class RangeOut(Out):
    """The widest range of neighbouring rates at which the mean reaches the level."""

    low: float
    high: float
    factor: float
    """high / low."""


class ArmRobustnessOut(Out):
    """How far the learning rate of an arm may be off."""

    name: str
    rates: list[RateOut]
    widest: RangeOut | None


class RobustnessOut(Out):
    """The learning rates that each arm bears."""

    comparison_id: str
    level: float
    complete: bool
    arms: list[ArmRobustnessOut]


@router.get(
    "/comparisons/{comparison_id}/robustness",
    response_model=RobustnessOut,
    responses={**csv_answers.content(comparison_examples.ROBUSTNESS), **problems(404, 409, 503)},
)
async def get_robustness(
    request: Request,
    parts: TheParts,
    comparison_id: ComparisonId,
    level: Annotated[float, Query(gt=0, le=1, description="test accuracy")] = 0.95,
    format: AskedFormat = None,  # noqa: A002 # the API's word
) -> Response:
    """Answer for each arm the widest range of rates in which its mean test accuracy reaches a level."""
    form = csv_answers.chosen(request, format)
    details, media_type = ("robustness", level, form), csv_answers.MEDIA_TYPES[form]
    question = Question(comparison_id, None, details, media_type, csv_answers.VARIED)

    def compute(session: Session, state: State) -> bytes:
        arms = _robustness(session, state, level)
        if form == "csv":
            return _table(arms)
        shown = RobustnessOut(comparison_id=comparison_id, level=level, complete=state.ended, arms=arms)
        return shown.model_dump_json().encode()

    return await answer(request, parts, question, compute)


def _robustness(session: Session, state: State, level: float) -> list[ArmRobustnessOut]:
    rates = sorted(comparisons.rates_of(state.comparison))
    if not rates:
        raise NoLearningRates("the comparison was not created with learning_rates")
    runs, arms = results.runs(session, state.comparison), comparisons.arms_of(state.comparison)
    return [_arm_robustness(arm, [run for run in runs if run.arm == arm], rates, level) for arm in arms]


def _arm_robustness(
    arm: str, runs: Sequence[RunRow], rates: Sequence[float], level: float
) -> ArmRobustnessOut:
    ends = {rate: ends_of(runs_at(runs, [arm], rate))[arm] for rate in rates}
    means = {rate: _mean([end.value("test_accuracy") for end in found]) for rate, found in ends.items()}
    widest = widest_range(means, level)
    return ArmRobustnessOut(
        name=arm,
        rates=[
            RateOut(
                learning_rate=rate,
                n=len(found),
                n_diverged=sum(end.diverged for end in found),
                mean_test_accuracy=means[rate],
            )
            for rate, found in ends.items()
        ],
        widest=RangeOut(**vars(widest)) if widest else None,
    )


def _mean(figures: Sequence[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return fmean(known) if known else None


def _table(arms: Sequence[ArmRobustnessOut]) -> bytes:
    widest = {f"widest_{name}": name for name in RangeOut.model_fields}
    rows = [
        {
            "arm": arm.name,
            **rate.model_dump(),
            **{column: getattr(arm.widest, name, None) for column, name in widest.items()},
        }
        for arm in arms
        for rate in arm.rates
    ]
    return csv_answers.table(("arm", *RateOut.model_fields, *widest), rows)
