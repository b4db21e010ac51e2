"""The figure of a comparison, as PNG or SVG."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from analysis.curves import BandKind
from analysis.plots import ImageFormat, Theme
from service.api.comparisons.curves import Band
from service.api.comparisons.examples import file_of_comparison
from service.api.comparisons.responses import ComparisonQuestion, GivenLearningRate, respond
from service.api.shared.dependencies import TheParts
from service.api.shared.figures import FIGURE_TYPES, Background, name_of_figure
from service.api.shared.parameters import ComparisonId
from service.api.shared.problems import problems
from service.api.shared.scopes import needs
from service.api.shared.windows import TheWindow
from service.callers import READ
from service.comparing.curves import CurveMetric
from service.comparing.panels import PANELS, draw_figures
from service.comparing.state import State
from service.store.metrics import Window

router = APIRouter(tags=["comparisons"])

DrawnMetric = Annotated[
    CurveMetric | None,
    Query(description="The metric to draw; by default test accuracy beside train loss."),
]


@router.get(
    "/comparisons/{comparison_id}/plot.png",
    response_class=Response,
    responses={**file_of_comparison("plot.png", FIGURE_TYPES["png"]), **problems(404, 409, 503)},
)
@needs(READ)
async def get_plot_png(
    request: Request,
    parts: TheParts,
    comparison_id: ComparisonId,
    window: TheWindow,
    metric: DrawnMetric = None,
    theme: Background = "light",
    band: Band = "ci95",
    learning_rate: GivenLearningRate = None,
) -> Response:
    """Draw the means and bands of at most 50 arms as PNG; equal histories give equal bytes."""
    return await _respond(request, parts, comparison_id, window, metric, theme, band, learning_rate, "png")


@router.get(
    "/comparisons/{comparison_id}/plot.svg",
    response_class=Response,
    responses={**file_of_comparison("plot.svg", FIGURE_TYPES["svg"]), **problems(404, 409, 503)},
)
@needs(READ)
async def get_plot_svg(
    request: Request,
    parts: TheParts,
    comparison_id: ComparisonId,
    window: TheWindow,
    metric: DrawnMetric = None,
    theme: Background = "light",
    band: Band = "ci95",
    learning_rate: GivenLearningRate = None,
) -> Response:
    """Draw the means and bands of at most 50 arms as SVG; equal histories give equal bytes."""
    return await _respond(request, parts, comparison_id, window, metric, theme, band, learning_rate, "svg")


async def _respond(
    request: Request,
    parts: TheParts,
    comparison_id: str,
    window: Window,
    metric: CurveMetric | None,
    theme: Theme,
    band: BandKind,
    rate: float | None,
    image_format: ImageFormat,
) -> Response:
    details = ("plot", metric, window, theme, band, image_format)
    headers = name_of_figure(comparison_id, image_format)
    question = ComparisonQuestion(comparison_id, rate, details, FIGURE_TYPES[image_format], headers)

    def compute(session: Session, state: State) -> bytes:
        metrics = PANELS if metric is None else [metric]
        [figure] = draw_figures(session, state, band, image_format, [theme], metrics, window)
        return figure

    return await respond(request, parts, question, compute)
