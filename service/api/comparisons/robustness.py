"""The learning rates with which each arm of a comparison works, as JSON or CSV."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from service.api.comparisons import examples
from service.api.comparisons.responses import ComparisonQuestion, respond
from service.api.comparisons.result_schemas import ArmAtRate, ComparisonRobustness, LearningRateRange
from service.api.shared.csv_tables import write_table
from service.api.shared.dependencies import TheParts
from service.api.shared.downloads import table_headers
from service.api.shared.negotiation import TABLE_TYPES, GivenTableFormat, choose_format
from service.api.shared.openapi import table_response, text_response
from service.api.shared.parameters import ComparisonId
from service.api.shared.problems import problems
from service.api.shared.scopes import needs
from service.callers import READ
from service.comparing.robustness import ArmRobustness, read_robustness
from service.comparing.runs import Split
from service.comparing.state import State

router = APIRouter(tags=["comparisons"])

Level = Annotated[float, Query(gt=0, le=1, description="The mean accuracy to be reached.")]
MeasuredSplit = Annotated[Split, Query(description="The images that the accuracy is measured on.")]


@router.get(
    "/comparisons/{comparison_id}/robustness",
    response_model=ComparisonRobustness,
    responses={**table_response(examples.ROBUSTNESS, examples.ROBUSTNESS_CSV), **problems(404, 409, 503)},
)
@needs(READ)
async def get_robustness(
    request: Request,
    parts: TheParts,
    comparison_id: ComparisonId,
    level: Level = 0.95,
    split: MeasuredSplit = "validation",
    format: GivenTableFormat = None,  # noqa: A002 # the API's word
) -> Response:
    """Return for each arm the widest range of rates in which its mean accuracy reaches a level."""
    chosen = choose_format(request, format, TABLE_TYPES, "json")
    headers = table_headers(chosen, f"{comparison_id}-robustness")
    details = ("robustness", level, split, chosen)
    question = ComparisonQuestion(comparison_id, None, details, TABLE_TYPES[chosen], headers)

    def compute(session: Session, state: State) -> bytes:
        arms = read_robustness(session, state, level, split)
        if chosen == "csv":
            return _table(arms)
        shown = {"comparison_id": comparison_id, "split": split, "level": level, "complete": state.ended}
        body = ComparisonRobustness.model_validate({**shown, "arms": [asdict(each) for each in arms]})
        return body.model_dump_json().encode()

    return await respond(request, parts, question, compute)


@router.get(
    "/comparisons/{comparison_id}/robustness.csv",
    response_class=Response,
    responses={**text_response(TABLE_TYPES["csv"], examples.ROBUSTNESS_CSV), **problems(404, 409, 503)},
)
@needs(READ)
async def get_robustness_csv(
    request: Request,
    parts: TheParts,
    comparison_id: ComparisonId,
    level: Level = 0.95,
    split: MeasuredSplit = "validation",
) -> Response:
    """Return the robustness of each arm as CSV, one row per arm and learning rate."""
    return await get_robustness(request, parts, comparison_id, level, split, "csv")


def _table(arms: Sequence[ArmRobustness]) -> bytes:
    widest = {f"widest_{name}": name for name in LearningRateRange.model_fields}
    rows = [
        {
            "arm": each.arm,
            **asdict(rate),
            **{column: getattr(each.widest, name, None) for column, name in widest.items()},
        }
        for each in arms
        for rate in each.rates
    ]
    return write_table(("arm", *ArmAtRate.model_fields, *widest), rows)
