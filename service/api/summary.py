"""The summary of a comparison: each arm in figures, and what may be said of their differences."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from analysis.arrivals import Arrivals, gather
from analysis.summary import CHANCE, ArmDifference, ArmSummary, Metric, Result, Summary, summarise
from analysis.verdicts import Verdict
from models.spec import TrainSpec
from service.api import comparison_examples, csv_answers
from service.api.comparison_results import LEVELS, Runs, State, counts, results_of, runs_at, state_of
from service.api.comparison_view import ComparisonId
from service.api.csv_answers import AskedFormat
from service.api.deps import TheParts, has_current, tagged
from service.api.job_view import Out
from service.api.problems import problems
from service.errors import StorageFull
from service.store import comparisons, results
from service.store.database import Database

router = APIRouter(tags=["comparisons"])

Interval = tuple[float, float]
LearningRate = Annotated[
    float | None, Query(gt=0, le=1e6, description="one of the comparison's; the first by default")
]


class DescriptionOut(Out):
    """One figure over the seeds of an arm; null where there are too few."""

    n: int
    n_finite: int
    """Runs that have the figure."""
    mean: float | None
    sd: float | None
    """With n - 1 in the denominator."""
    interval: Interval | None
    """Of the mean: Student's t, 95 %."""
    median: float | None
    iqm: float | None
    """The mean of the middle half."""
    iqm_interval: Interval | None
    """Percentile bootstrap, 95 %; from 20 seeds on."""
    min: float | None
    max: float | None


class ArrivalsOut(Out):
    """Steps until an accuracy was reached; a run that did not reach it is censored."""

    n: int
    n_censored: int
    mean: float | None
    """Null where a run is censored: the others alone would be too early."""
    median: float | None
    """With censored runs as the latest; null where it falls among them."""
    censored_after: int | None
    """The fewest steps that a censored run was seen for."""


class TimeToOut(Out):
    """Steps until the trailing 50-step mean of train accuracy, and an evaluation on test, reached it."""

    train: ArrivalsOut
    test: ArrivalsOut


class ArmOut(Out):
    """An arm over its seeds, by the last step of each run."""

    name: str
    n: int
    """Runs that count: those that succeeded and those that diverged."""
    n_diverged: int
    test_accuracy: DescriptionOut
    """A run that diverged counts with the accuracy of chance, 0.1."""
    test_loss: DescriptionOut
    train_seconds: DescriptionOut
    time_to: dict[str, TimeToOut]
    parameters: int


class DifferenceOut(Out):
    """An arm less the baseline, seed by seed."""

    arm: str
    metric: Metric
    n: int
    """Seeds in which both have the figure."""
    mean: float | None
    interval: Interval | None
    """Paired t, 95 %; null for fewer than two seeds."""
    p: float | None
    """Two-sided, by flipping signs: exact up to 16 seeds."""
    p_holm: float | None
    """Corrected for the number of arms."""
    probability_of_improvement: float | None
    """Share of seeds in which the arm is better; a tie counts half."""
    verdict: Verdict
    sentence: str


class SummaryWarning(Out):
    """What a reader should know before concluding anything."""

    code: Literal["too_few_seeds", "diverged", "not_ended", "left_out"]
    message: str
    seeds_needed: int | None
    """How many seeds could tell the arms apart, where there are too few."""


class SummaryOut(Out):
    """What a comparison has come to at one learning rate."""

    comparison_id: str
    baseline: str
    learning_rate: float | None
    """Null where every arm has that of its spec."""
    step: int | None
    """The step of the figures; null where the arms have different numbers of steps."""
    complete: bool
    """Whether every run has ended."""
    arms: list[ArmOut]
    differences: list[DifferenceOut]
    warnings: list[SummaryWarning]


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
    state, text = await run_in_threadpool(_look_up, parts.database, comparison_id, learning_rate)
    etag = state.etag("summary", form)
    if has_current(request, etag):
        return tagged(request, etag, b"")
    if text is None:
        computed = parts.analysis.run(_compute, parts.database, comparison_id, learning_rate)
        state, text = await computed
    found = _choose(text, state)
    return csv_answers.varied(request, etag, found if form == "json" else _table(found), form)


def summary_of(database: Database, comparison_id: str, rate: float | None) -> tuple[State, SummaryOut]:
    """Answer the summary of a comparison, computed now if it was not kept."""
    state, kept = _look_up(database, comparison_id, rate)
    if kept is None:
        state, kept = _compute(database, comparison_id, rate)
    return state, SummaryOut.model_validate(_choose(kept, state))


def _compute(database: Database, comparison_id: str, rate: float | None) -> tuple[State, str]:
    """Sum up at every learning rate; keep it if every run has ended."""
    with database.reading() as session:
        state = state_of(session, comparison_id, rate)
        text = orjson.dumps([shown.model_dump() for shown in _summaries(session, state)]).decode()
    if state.ended:
        # A full disk is no reason to refuse what only is to be read.
        with suppress(StorageFull), database.writing() as session:
            results.keep_summaries(session, state.comparison, state.revision, text)
    return state, text


def _choose(text: str, state: State) -> dict[str, Any]:
    """Choose the summary of the learning rate that was asked for."""
    found: list[dict[str, Any]] = orjson.loads(text)
    return next(each for each in found if each["learning_rate"] == state.rate)


def _look_up(database: Database, comparison_id: str, rate: float | None) -> tuple[State, str | None]:
    with database.reading() as session:
        state = state_of(session, comparison_id, rate)
        return state, results.stored_summaries(session, state.comparison, state.revision)


def _summaries(session: Session, state: State) -> Iterator[SummaryOut]:
    arms, rates = comparisons.arms_of(state.comparison), comparisons.rates_of(state.comparison)
    found = results.runs(session, state.comparison)
    for rate in rates or (None,):
        runs = runs_at(found, arms, rate)
        ends = results_of(session, runs)
        summary = summarise(ends, state.comparison.spec["baseline"])
        steps = {run.spec["steps"] for each in runs.values() for run in each}
        yield SummaryOut(
            comparison_id=state.comparison.id,
            baseline=summary.baseline,
            learning_rate=rate,
            step=steps.pop() if len(steps) == 1 else None,
            complete=state.ended,
            arms=[_arm(arm, runs) for arm in summary.arms],
            differences=[_difference(each) for each in summary.differences],
            warnings=[*_warnings(summary, ends, runs)],
        )


def _arm(arm: ArmSummary, runs: Runs) -> ArmOut:
    descriptions = ("test_accuracy", "test_loss", "train_seconds")
    return ArmOut(
        name=arm.name,
        n=arm.n,
        n_diverged=arm.n_diverged,
        **{name: DescriptionOut(**vars(getattr(arm, name))) for name in descriptions},
        time_to={level: _time_to(*arm.time_to.get(level, (gather([]), gather([])))) for level in LEVELS},
        parameters=TrainSpec(**runs[arm.name][0].spec).parameter_count(),
    )


def _time_to(train: Arrivals, test: Arrivals) -> TimeToOut:
    return TimeToOut(train=ArrivalsOut(**vars(train)), test=ArrivalsOut(**vars(test)))


def _difference(each: ArmDifference) -> DifferenceOut:
    return DifferenceOut(
        arm=each.arm,
        metric=each.metric,
        **vars(each.found),
        p_holm=each.p_holm,
        verdict=each.verdict,
        sentence=each.sentence,
    )


def _warnings(summary: Summary, ends: Mapping[str, Sequence[Result]], runs: Runs) -> Iterator[SummaryWarning]:
    needed = summary.seeds_needed
    if needed:
        message = f"no difference between these arms can be told with so few seeds: that takes {needed}"
        yield SummaryWarning(code="too_few_seeds", message=message, seeds_needed=needed)
    diverged = sum(arm.n_diverged for arm in summary.arms)
    if diverged:
        message = f"{diverged} runs diverged: they count with the accuracy of chance, {CHANCE}, and no loss"
        yield SummaryWarning(code="diverged", message=message, seeds_needed=None)
    without = Counter(run.status for found in runs.values() for run in found if not counts(run))
    going = without["queued"] + without["running"]
    if going:
        message = f"{going} runs have not ended: figures and sentences will change"
        yield SummaryWarning(code="not_ended", message=message, seeds_needed=None)
    if without.total() > going:
        message = f"{without.total() - going} runs are left out: they were cancelled, or failed otherwise"
        yield SummaryWarning(code="left_out", message=message, seeds_needed=None)


def _table(summary: dict[str, Any]) -> bytes:
    rows = [_row(arm, summary["differences"]) for arm in summary["arms"]]
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
