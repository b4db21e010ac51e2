"""The figure of a comparison: test accuracy and train loss of all arms over the steps."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from analysis.curves import BandKind
from analysis.plots import ImageFormat, Line, Panel, Theme, draw
from service.comparing.curves import CurveMetric, read_curves
from service.comparing.state import State
from service.comparing.words import counted
from service.errors import TooManyArms
from service.store import comparisons

MOST_ARMS = 50
POINTS = 300
PANELS: dict[CurveMetric, str] = {"test_accuracy": "Test accuracy", "train_loss": "Train loss"}


def draw_figures(
    session: Session, state: State, band: BandKind, image_format: ImageFormat, themes: Sequence[Theme]
) -> list[bytes]:
    """Draw the figure once per theme; raise TooManyArms if there are too many to distinguish."""
    n_arms = len(comparisons.arms_of(state.comparison))
    if n_arms > MOST_ARMS:
        raise TooManyArms(f"a figure can show at most {MOST_ARMS} arms; the comparison has {n_arms}")
    panels = [_panel(session, state, metric, band) for metric in PANELS]
    return [draw(panels, title_of(state), theme, image_format) for theme in themes]


def title_of(state: State) -> str:
    """Return the comparison's label, or what it compares."""
    arms, seeds = comparisons.arms_of(state.comparison), state.comparison.spec["seeds"]
    name = state.comparison.label or f"{counted(len(arms), 'arm')}, {counted(len(seeds), 'seed')}"
    return name if state.rate is None else f"{name}, learning rate {state.rate:g}"


def _panel(session: Session, state: State, metric: CurveMetric, band: BandKind) -> Panel:
    curves = read_curves(session, state, metric, band, POINTS)
    return Panel(PANELS[metric], [Line(each.arm, each.method, each.steps, each.curve) for each in curves])
