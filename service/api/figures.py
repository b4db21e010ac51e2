"""The figure of a comparison: test accuracy and train loss of all arms along the steps."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from analysis.curves import BandKind
from analysis.plots import ImageFormat, Line, Panel, Theme, draw
from service.api.comparison_answers import Question, answer
from service.api.comparison_examples import file_answer
from service.api.comparison_results import State
from service.api.comparison_view import ComparisonId
from service.api.curves import ArmCurve, Band, CurveMetric, curves_of
from service.api.deps import TheParts
from service.api.problems import problems
from service.api.summary import LearningRate
from service.errors import TooManyArms
from service.store import comparisons

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


def panels_of(session: Session, state: State, band: BandKind) -> list[Panel]:
    """Read what a figure shows; raise TooManyArms for one that nobody could read."""
    n_arms = len(comparisons.arms_of(state.comparison))
    if n_arms > MOST_ARMS:
        raise TooManyArms(f"{n_arms} arms cannot be told apart in a figure; it shows at most {MOST_ARMS}")
    return [
        Panel(title, _lines(curves_of(session, state, metric, band, POINTS)))
        for metric, title in PANELS.items()
    ]


def title_of(state: State) -> str:
    """Name a comparison: its label, or what it compares."""
    arms, seeds = comparisons.arms_of(state.comparison), state.comparison.spec["seeds"]
    name = state.comparison.label or f"{counted(len(arms), 'arm')}, {counted(len(seeds), 'seed')}"
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
    details = ("plot", theme, band, image_format)
    question = Question(comparison_id, rate, details, MEDIA_TYPES[image_format], HEADERS)

    def compute(session: Session, state: State) -> bytes:
        return draw(panels_of(session, state, band), title_of(state), theme, image_format)

    return await answer(request, parts, question, compute)


def _lines(found: Sequence[ArmCurve]) -> list[Line]:
    return [Line(each.arm, each.method, each.steps, each.curve) for each in found]


def counted(n: int, what: str) -> str:
    """Write a number of things in words that agree with it."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
