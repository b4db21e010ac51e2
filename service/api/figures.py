"""The figure of a comparison: test accuracy and train loss of all arms along the steps."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from analysis.curves import BandKind
from analysis.plots import ImageFormat, Line, Panel, Theme, draw
from service.api.comparison_examples import file_answer
from service.api.comparison_results import State, look_up
from service.api.comparison_view import ComparisonId
from service.api.curves import ArmCurve, Band, CurveMetric, curves_of
from service.api.deps import TheParts, has_current, tagged
from service.api.problems import problems
from service.api.summary import LearningRate
from service.errors import TooManyArms
from service.store import comparisons
from service.store.database import Database

router = APIRouter(tags=["comparisons"])

MOST_ARMS = 50
POINTS = 300
PANELS: dict[CurveMetric, str] = {"test_accuracy": "Test accuracy", "train_loss": "Train loss"}
MEDIA_TYPES: dict[ImageFormat, str] = {"png": "image/png", "svg": "image/svg+xml"}
HEADERS = {
    # matplotlib writes the looks of an SVG into style attributes.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}

ShownTheme = Annotated[Theme, Query(description="the background that it is for")]


@router.get(
    "/comparisons/{comparison_id}/plot.png",
    response_class=Response,
    responses={**file_answer("plot.png", MEDIA_TYPES["png"]), **problems(404, 409, 503)},
)
async def get_plot_png(
    request: Request,
    parts: TheParts,
    comparison_id: ComparisonId,
    theme: ShownTheme = "light",
    band: Band = "ci95",
    learning_rate: LearningRate = None,
) -> Response:
    """Draw the means and bands of at most 50 arms as PNG; equal histories give equal bytes."""
    return await _answer(request, parts, comparison_id, theme, band, learning_rate, "png")


@router.get(
    "/comparisons/{comparison_id}/plot.svg",
    response_class=Response,
    responses={**file_answer("plot.svg", MEDIA_TYPES["svg"]), **problems(404, 409, 503)},
)
async def get_plot_svg(
    request: Request,
    parts: TheParts,
    comparison_id: ComparisonId,
    theme: ShownTheme = "light",
    band: Band = "ci95",
    learning_rate: LearningRate = None,
) -> Response:
    """Draw the means and bands of at most 50 arms as SVG; equal histories give equal bytes."""
    return await _answer(request, parts, comparison_id, theme, band, learning_rate, "svg")


def draw_figure(
    database: Database, state: State, theme: Theme, band: BandKind, image_format: ImageFormat
) -> bytes:
    """Draw a comparison as it stands; raise TooManyArms for one that could not be read."""
    arms = comparisons.arms_of(state.comparison)
    if len(arms) > MOST_ARMS:
        raise TooManyArms(f"{len(arms)} arms cannot be told apart in a figure; it shows at most {MOST_ARMS}")
    panels = [
        Panel(title, _lines(curves_of(database, state, metric, band, POINTS)))
        for metric, title in PANELS.items()
    ]
    return draw(panels, title_of(state), theme, image_format)


def title_of(state: State) -> str:
    """Name a comparison: its label, or what it compares."""
    arms = len(comparisons.arms_of(state.comparison))
    name = state.comparison.label or f"{arms} arms, {len(state.comparison.spec['seeds'])} seeds"
    return name if state.rate is None else f"{name}, learning rate {state.rate:g}"


async def _answer(
    request: Request,
    parts: TheParts,
    comparison_id: str,
    theme: Theme,
    band: BandKind,
    rate: float | None,
    image_format: ImageFormat,
) -> Response:
    state = await run_in_threadpool(look_up, parts.database, comparison_id, rate)
    etag = state.etag("plot", state.comparison.label, theme, band, image_format)
    media_type = MEDIA_TYPES[image_format]
    image = b""
    if not has_current(request, etag):
        image = await parts.analysis.run(draw_figure, parts.database, state, theme, band, image_format)
    answer = tagged(request, etag, image, media_type=media_type)
    answer.headers.update(HEADERS)
    return answer


def _lines(found: Sequence[ArmCurve]) -> list[Line]:
    return [Line(each.arm, each.method, each.steps, each.curve) for each in found]
