"""The curves of a comparison's arms, as JSON or CSV."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from analysis.curves import BandKind
from service.api.comparisons import examples
from service.api.comparisons.responses import ComparisonQuestion, GivenLearningRate, respond
from service.api.comparisons.result_schemas import ComparisonCurves
from service.api.shared.csv_tables import write_table
from service.api.shared.dependencies import TheParts
from service.api.shared.downloads import table_headers
from service.api.shared.negotiation import TABLE_TYPES, GivenTableFormat, choose_format
from service.api.shared.openapi import table_response, text_response
from service.api.shared.parameters import ComparisonId
from service.api.shared.problems import problems
from service.api.shared.query import WHOLE
from service.api.shared.scopes import needs
from service.api.shared.windows import TheWindow
from service.callers import READ
from service.comparing.curves import CurveMetric, bounded_points, read_curves
from service.comparing.state import State, choice_of_rates

router = APIRouter(tags=["comparisons"])

MOST_POINTS = 2_000
COLUMNS = ("arm", "learning_rate", "step", "n", "mean", "low", "high")
RUN_COLUMNS = (*COLUMNS, "seed", "value")

ShownMetric = Annotated[CurveMetric, Query(description="The metric to show.")]
Band = Annotated[BandKind, Query(description="The band: mean ± sd, t interval of the mean, or extremes.")]
WithRuns = Annotated[bool, Query(description="Whether to return the curve of each run too.")]
Points = Annotated[
    int, Query(ge=10, le=MOST_POINTS, description="Most points of each curve; runs may lower it."), WHOLE
]


@router.get(
    "/comparisons/{comparison_id}/curves",
    response_model=ComparisonCurves,
    responses={**table_response(examples.CURVES, examples.CURVES_CSV), **problems(404, 503)},
)
@needs(READ)
async def get_curves(
    request: Request,
    parts: TheParts,
    comparison_id: ComparisonId,
    window: TheWindow,
    metric: ShownMetric = "test_accuracy",
    band: Band = "ci95",
    max_points: Points = 300,
    runs: WithRuns = False,
    learning_rate: GivenLearningRate = None,
    format: GivenTableFormat = None,  # noqa: A002 # the API's word
) -> Response:
    """Return the mean of one metric over the steps, with a band, for each arm over its runs.

    Long windows are thinned to evenly spaced steps, with the first and the last among them.
    """
    chosen = choose_format(request, format, TABLE_TYPES, "json")
    headers = table_headers(chosen, f"{comparison_id}-curves")
    details = ("curves", metric, band, max_points, runs, window, chosen)
    question = ComparisonQuestion(comparison_id, learning_rate, details, TABLE_TYPES[chosen], headers)

    def compute(session: Session, state: State) -> bytes:
        points = bounded_points(state, max_points) if runs else max_points
        curves = read_curves(session, state, metric, band, points, window)
        if chosen == "csv":
            rows = (row for curve in curves for row in curve.rows(with_runs=runs))
            return write_table(RUN_COLUMNS if runs else COLUMNS, rows)
        body = {
            "comparison_id": comparison_id,
            "metric": metric,
            "band": band,
            "learning_rate": state.rate,
            "rates_chosen_by": choice_of_rates(state.comparison, state.rate),
            "complete": state.ended,
            "x": "step",
            "arms": [curve.document(with_runs=runs) for curve in curves],
        }
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)

    return await respond(request, parts, question, compute)


@router.get(
    "/comparisons/{comparison_id}/curves.csv",
    response_class=Response,
    responses={**text_response(TABLE_TYPES["csv"], examples.CURVES_CSV), **problems(404, 503)},
)
@needs(READ)
async def get_curves_csv(
    request: Request,
    parts: TheParts,
    comparison_id: ComparisonId,
    window: TheWindow,
    metric: ShownMetric = "test_accuracy",
    band: Band = "ci95",
    max_points: Points = 300,
    runs: WithRuns = False,
    learning_rate: GivenLearningRate = None,
) -> Response:
    """Return the curves of a comparison as CSV, one row per arm and step, or with `runs` per run and step."""
    return await get_curves(
        request, parts, comparison_id, window, metric, band, max_points, runs, learning_rate, "csv"
    )
