"""The summary of a comparison, as JSON or CSV."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from service.api.comparisons import examples
from service.api.comparisons.responses import GivenLearningRate, Question, respond
from service.api.comparisons.result_schemas import ComparisonSummary
from service.api.shared.csv_tables import write_table
from service.api.shared.dependencies import TheParts
from service.api.shared.downloads import table_headers
from service.api.shared.negotiation import TABLE_TYPES, GivenTableFormat, choose_format
from service.api.shared.openapi import table_response, text_response
from service.api.shared.parameters import ComparisonId
from service.api.shared.problems import problems
from service.comparing.state import State
from service.comparing.summary import compute_summary, find_summary

router = APIRouter(tags=["comparisons"])


@router.get(
    "/comparisons/{comparison_id}/summary",
    response_model=ComparisonSummary,
    responses={**table_response(examples.SUMMARY), **problems(404, 503)},
)
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
    question = Question(comparison_id, learning_rate, details, TABLE_TYPES[chosen], headers)
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
    responses={**text_response(TABLE_TYPES["csv"], ""), **problems(404, 503)},
)
async def get_summary_csv(
    request: Request, parts: TheParts, comparison_id: ComparisonId, learning_rate: GivenLearningRate = None
) -> Response:
    """Return the summary of a comparison as CSV."""
    return await get_summary(request, parts, comparison_id, learning_rate, "csv")


def _table(summary: dict[str, Any]) -> bytes:
    shared = {name: summary[name] for name in ("baseline", "learning_rate", "step", "complete")}
    rows = [_row(arm, summary["differences"]) | shared for arm in summary["arms"]]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return write_table(columns, rows)


def _row(arm: dict[str, Any], differences: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Write an arm as one row, nested names joined by underscores, then its differences."""
    row = dict(_flatten(arm))
    for each in differences:
        if each["arm"] == arm["arm"]:
            shown = {name: value for name, value in each.items() if name not in ("arm", "metric")}
            row |= dict(_flatten(shown, f"{each['metric']}_difference_"))
    return row


def _flatten(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, each in value.items():
        if isinstance(each, Mapping):
            yield from _flatten(each, f"{prefix}{name}_")
        elif name.endswith("interval"):
            low, high = each or (None, None)
            yield f"{prefix}{name}_low", low
            yield f"{prefix}{name}_high", high
        else:
            yield f"{prefix}{name}", each
