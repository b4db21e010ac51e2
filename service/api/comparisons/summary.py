"""The summary of a comparison, as JSON or CSV."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from service.api.comparisons import examples
from service.api.comparisons.responses import ComparisonQuestion, GivenLearningRate, respond
from service.api.comparisons.result_schemas import ComparisonSummary
from service.api.shared.csv_tables import write_table
from service.api.shared.dependencies import TheParts
from service.api.shared.downloads import table_headers
from service.api.shared.negotiation import TABLE_TYPES, GivenTableFormat, choose_format
from service.api.shared.openapi import table_response, text_response
from service.api.shared.parameters import ComparisonId
from service.api.shared.problems import problems
from service.api.shared.scopes import needs
from service.callers import READ
from service.comparing.state import State
from service.comparing.summary import compute_summary, find_summary

router = APIRouter(tags=["comparisons"])

COLUMNS = ("arm", "learning_rate", "metric", "statistic", "value")
OF_DIFFERENCES = ("n", "mean", "interval", "p", "p_holm", "probability_of_improvement")


@router.get(
    "/comparisons/{comparison_id}/summary",
    response_model=ComparisonSummary,
    responses={**table_response(examples.SUMMARY, examples.SUMMARY_CSV), **problems(404, 503)},
)
@needs(READ)
async def get_summary(
    request: Request,
    parts: TheParts,
    comparison_id: ComparisonId,
    learning_rate: GivenLearningRate = None,
    format: GivenTableFormat = None,  # noqa: A002 # the API's word
) -> Response:
    """Summarise a comparison: each arm over its seeds, and its differences to the baseline.

    While runs are missing, the summary is of those that have ended.
    """
    chosen = choose_format(request, format, TABLE_TYPES, "json")
    headers = table_headers(chosen, f"{comparison_id}-summary")
    details = ("summary", chosen)
    question = ComparisonQuestion(comparison_id, learning_rate, details, TABLE_TYPES[chosen], headers)
    write = orjson.dumps if chosen == "json" else _table

    def find(session: Session, state: State) -> bytes | None:
        kept = find_summary(session, state)
        return None if kept is None else write(kept)

    def compute(session: Session, state: State) -> bytes:
        return write(compute_summary(session, parts.database, state))

    return await respond(request, parts, question, compute, find)


@router.get(
    "/comparisons/{comparison_id}/summary.csv",
    response_class=Response,
    responses={**text_response(TABLE_TYPES["csv"], examples.SUMMARY_CSV), **problems(404, 503)},
)
@needs(READ)
async def get_summary_csv(
    request: Request, parts: TheParts, comparison_id: ComparisonId, learning_rate: GivenLearningRate = None
) -> Response:
    """Return the summary of a comparison as CSV, one row per arm, metric and statistic."""
    return await get_summary(request, parts, comparison_id, learning_rate, "csv")


def _table(summary: dict[str, Any]) -> bytes:
    """Write one row per statistic, arm by arm: numbers only, so that a column of them has one type."""
    return write_table(
        COLUMNS, (row for arm in summary["arms"] for row in _rows(arm, summary["differences"]))
    )


def _rows(arm: Mapping[str, Any], differences: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for metric, statistics in _metrics(arm, differences):
        for statistic, value in _numbers(statistics):
            shared = {"arm": arm["arm"], "learning_rate": arm["learning_rate"]}
            yield {**shared, "metric": metric, "statistic": statistic, "value": value}


def _metrics(
    arm: Mapping[str, Any], differences: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each metric of an arm with its statistics, then its differences to the baseline."""
    yield "runs", {name: arm[name] for name in ("n", "n_diverged", "n_at_chance")}
    yield from ((metric, arm[metric]) for metric in ("test_accuracy", "test_loss", "train_seconds"))
    for level, times in arm["time_to"].items():
        yield from ((f"time_to_{level}_{split}", found) for split, found in times.items())
    yield "parameters", {"n": arm["parameters"]}
    for each in differences:
        if each["arm"] == arm["arm"]:
            yield f"difference_{each['metric']}", {name: each[name] for name in OF_DIFFERENCES}


def _numbers(statistics: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield statistics by name; an interval is two, its low and its high end."""
    for name, value in statistics.items():
        if name.endswith("interval"):
            prefix = name.removesuffix("interval")
            yield from zip((f"{prefix}low", f"{prefix}high"), value or (None, None), strict=True)
        else:
            yield name, value
