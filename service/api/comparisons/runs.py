"""The runs of a comparison, one row each, as JSON or CSV."""

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from service.api.comparisons import examples
from service.api.comparisons.responses import ComparisonQuestion, respond
from service.api.comparisons.run_schemas import ComparisonRun, ComparisonRuns
from service.api.shared.csv_tables import write_table
from service.api.shared.dependencies import TheParts
from service.api.shared.downloads import table_headers
from service.api.shared.negotiation import TABLE_TYPES, GivenTableFormat, choose_format
from service.api.shared.openapi import table_response, text_response
from service.api.shared.parameters import ComparisonId
from service.api.shared.problems import problems
from service.api.shared.scopes import needs
from service.callers import READ
from service.comparing.run_table import read_run_table
from service.comparing.state import State

router = APIRouter(tags=["comparisons"])


@router.get(
    "/comparisons/{comparison_id}/runs",
    response_model=ComparisonRuns,
    responses={**table_response(examples.RUNS, examples.RUNS_CSV), **problems(404, 503)},
)
@needs(READ)
async def get_runs(
    request: Request,
    parts: TheParts,
    comparison_id: ComparisonId,
    format: GivenTableFormat = None,  # noqa: A002 # the API's word
) -> Response:
    """Return one row per run of a comparison, with the metrics of its last step: at most 1,000 rows."""
    chosen = choose_format(request, format, TABLE_TYPES, "json")
    headers = table_headers(chosen, f"{comparison_id}-runs")
    question = ComparisonQuestion(comparison_id, None, ("runs", chosen), TABLE_TYPES[chosen], headers)

    def compute(session: Session, state: State) -> bytes:
        rows = read_run_table(session, state)
        if chosen == "csv":
            return write_table(tuple(ComparisonRun.model_fields), rows)
        return orjson.dumps({"comparison_id": comparison_id, "complete": state.ended, "runs": rows})

    return await respond(request, parts, question, compute)


@router.get(
    "/comparisons/{comparison_id}/runs.csv",
    response_class=Response,
    responses={**text_response(TABLE_TYPES["csv"], examples.RUNS_CSV), **problems(404, 503)},
)
@needs(READ)
async def get_runs_csv(request: Request, parts: TheParts, comparison_id: ComparisonId) -> Response:
    """Return the runs of a comparison as CSV, one row per run."""
    return await get_runs(request, parts, comparison_id, "csv")
