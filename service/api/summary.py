"""The summary of a comparison: each arm in figures, and what may be said of their differences."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from analysis.arrivals import Arrivals, summarise_arrivals
from analysis.summary import CHANCE, ArmDifference, ArmSummary, Summary, summarise
from models.specs.spec import TrainSpec
from service.api import comparison_examples, csv_answers
from service.api.comparison_answers import Question, answer
from service.api.comparison_results import (
    LEVELS,
    MOST_ROWS,
    RELEASE,
    Runs,
    State,
    counts,
    ends_of,
    results_of,
    runs_at,
    too_many_rows,
)
from service.api.comparison_view import ComparisonId
from service.api.csv_answers import AskedFormat
from service.api.deps import TheParts
from service.api.problems import problems
from service.api.summary_view import (
    ArmOut,
    ArrivalsOut,
    DescriptionOut,
    DifferenceOut,
    SummaryOut,
    SummaryWarning,
    TimeToOut,
    WarningCode,
)
from service.errors import DatabaseUnavailable, StorageFull
from service.store import comparisons, results
from service.store.database import Database
from service.store.results import RunRow

router = APIRouter(tags=["comparisons"])

LearningRate = Annotated[
    float | None, Query(gt=0, le=1e6, description="one of the comparison's; the first by default")
]


@router.get(
    "/comparisons/{comparison_id}/summary",
    response_model=SummaryOut,
    responses={**csv_answers.content(comparison_examples.SUMMARY), **problems(404, 503)},
)
async def get_summary(
    request: Request,
    parts: TheParts,
    comparison_id: ComparisonId,
    learning_rate: LearningRate = None,
    format: AskedFormat = None,  # noqa: A002 # the API's word
) -> Response:
    """Sum a comparison up: each arm over its seeds, and differences to the baseline in figures and sentences.

    While runs are missing it is that of those that have ended.
    """
    form = csv_answers.chosen(request, format)
    details, media_type = ("summary", form), csv_answers.MEDIA_TYPES[form]
    question = Question(comparison_id, learning_rate, details, media_type, csv_answers.VARIED)
    write = orjson.dumps if form == "json" else _table

    def find(session: Session, state: State) -> bytes | None:
        kept = _kept(session, state)
        return None if kept is None else write(kept)

    def compute(session: Session, state: State) -> bytes:
        return write(_compute(session, parts.database, state))

    return await answer(request, parts, question, compute, find)


def summary_of(session: Session, database: Database, state: State) -> SummaryOut:
    """Answer the summary of a comparison, computed now if it was not kept."""
    found = _kept(session, state) or _compute(session, database, state)
    return SummaryOut.model_validate(found)


def _kept(session: Session, state: State) -> dict[str, Any] | None:
    """Find what this release has kept of this state."""
    text = results.stored_summaries(session, state.comparison, state.revision)
    kept = orjson.loads(text) if text else {}
    return _choose(kept["summaries"], state) if kept.get("release") == RELEASE else None


def _compute(session: Session, database: Database, state: State) -> dict[str, Any]:
    """Sum up, at every learning rate if every run has ended: then it is kept."""
    rates: Sequence[float | None] = comparisons.rates_of(state.comparison) if state.ended else []
    runs = results.runs(session, state.comparison)
    summaries = [_summary(session, state, runs, rate).model_dump() for rate in rates or [state.rate]]
    if state.ended:
        text = orjson.dumps({"release": RELEASE, "summaries": summaries}).decode()
        # A full disk or a busy database is no reason to refuse what is only to be read.
        with suppress(StorageFull, DatabaseUnavailable), database.writing() as writer:
            results.keep_summaries(writer, state.comparison, state.revision, text)
    return _choose(summaries, state)


def _choose(summaries: Sequence[dict[str, Any]], state: State) -> dict[str, Any]:
    """Choose the summary of the learning rate that was asked for."""
    return next(each for each in summaries if each["learning_rate"] == state.rate)


def _summary(session: Session, state: State, found: Sequence[RunRow], rate: float | None) -> SummaryOut:
    runs = runs_at(found, comparisons.arms_of(state.comparison), rate)
    without_times = too_many_rows(runs)
    ends = ends_of(runs) if without_times else results_of(session, runs)
    summary = summarise(ends, state.comparison.spec["baseline"])
    steps = {run.spec["steps"] for each in runs.values() for run in each}
    return SummaryOut(
        comparison_id=state.comparison.id,
        baseline=summary.baseline,
        learning_rate=rate,
        step=steps.pop() if len(steps) == 1 else None,
        complete=state.ended,
        arms=[_arm(arm, runs) for arm in summary.arms],
        differences=[_difference(each) for each in summary.differences],
        warnings=[*_warnings(summary, runs, without_times)],
    )


def _arm(arm: ArmSummary, runs: Runs) -> ArmOut:
    descriptions = ("test_accuracy", "test_loss", "train_seconds")
    return ArmOut(
        name=arm.name,
        n=arm.n,
        n_diverged=arm.n_diverged,
        **{name: DescriptionOut(**vars(getattr(arm, name))) for name in descriptions},
        time_to={
            level: _time_to(*arm.time_to.get(level, (summarise_arrivals([]), summarise_arrivals([]))))
            for level in LEVELS
        },
        parameters=_parameters(runs[arm.name][0].spec),
    )


def _parameters(spec: dict[str, Any]) -> int | None:
    try:
        return TrainSpec.model_validate(spec).parameter_count()
    except ValidationError:  # stored by a release that trained other nets
        return None


def _time_to(train: Arrivals, test: Arrivals) -> TimeToOut:
    return TimeToOut(train=ArrivalsOut(**vars(train)), test=ArrivalsOut(**vars(test)))


def _difference(each: ArmDifference) -> DifferenceOut:
    return DifferenceOut(
        arm=each.arm,
        metric=each.metric,
        **vars(each.difference),
        p_holm=each.p_holm,
        verdict=each.verdict,
        sentence=each.sentence,
    )


def _warnings(summary: Summary, runs: Runs, without_times: bool) -> Iterator[SummaryWarning]:
    needed = summary.seeds_needed
    if needed:
        message = f"no difference between these arms can be told with so few seeds: that takes {needed}"
        yield SummaryWarning(code="too_few_seeds", message=message, seeds_needed=needed)
    diverged = sum(arm.n_diverged for arm in summary.arms)
    without = Counter(run.status for found in runs.values() for run in found if not counts(run))
    going = without["queued"] + without["running"]
    told: dict[WarningCode, tuple[int, str]] = {
        "diverged": (
            diverged,
            f"diverged; they count with the accuracy of chance, {CHANCE}, and no loss",
        ),
        "not_ended": (going, "not ended yet; figures and sentences will change"),
        "left_out": (without.total() - going, "left out, because they were cancelled or failed otherwise"),
    }
    for code, (n_runs, words) in told.items():
        if n_runs:
            message = f"{n_runs} of {sum(map(len, runs.values()))} runs: {words}"
            yield SummaryWarning(code=code, message=message, seeds_needed=None)
    if without_times:
        message = f"times to an accuracy are not looked for in more than {MOST_ROWS:,} rows"
        yield SummaryWarning(code="without_times", message=message, seeds_needed=None)


def _table(summary: dict[str, Any]) -> bytes:
    shared = {name: summary[name] for name in ("baseline", "learning_rate", "step", "complete")}
    rows = [_row(arm, summary["differences"]) | shared for arm in summary["arms"]]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return csv_answers.table(columns, rows)


def _row(arm: dict[str, Any], differences: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Write an arm as one row, nested names joined by underscores; its differences follow."""
    row = dict(_flat(arm))
    for each in differences:
        if each["arm"] == arm["name"]:
            shown = {name: value for name, value in each.items() if name not in ("arm", "metric")}
            row |= dict(_flat(shown, f"{each['metric']}_difference_"))
    return row


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, each in value.items():
        if isinstance(each, Mapping):
            yield from _flat(each, f"{prefix}{name}_")
        elif name.endswith("interval"):
            low, high = each or (None, None)
            yield f"{prefix}{name}_low", low
            yield f"{prefix}{name}_high", high
        else:
            yield f"{prefix}{name}", each
