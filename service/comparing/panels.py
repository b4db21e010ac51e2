"""The figure of a comparison: metrics of all arms over the steps."""

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from analysis.curves import BandKind
from analysis.plots import ImageFormat, Line, Panel, Theme, draw
from service.comparing.curves import ArmHistories, CurveMetric, read_curves
from service.comparing.state import State, choice_of_rates
from service.comparing.words import counted
from service.errors import TooManyArms
from service.store import comparisons
from service.store.metrics import Window

MOST_ARMS = 50
POINTS = 300
PANELS: Sequence[CurveMetric] = ("test_accuracy", "train_loss")


def draw_figures(
    session: Session,
    state: State,
    band: BandKind,
    image_format: ImageFormat,
    themes: Sequence[Theme],
    metrics: Sequence[CurveMetric] = PANELS,
    window: Window = Window(),  # noqa: B008 # it is frozen
) -> list[bytes]:
    """Draw these metrics once per theme; raise TooManyArms if there are too many to distinguish."""
    n_arms = len(comparisons.arms_of(state.comparison))
    if n_arms > MOST_ARMS:
        raise TooManyArms(f"a figure can show at most {MOST_ARMS} arms; the comparison has {n_arms}")
    curves = {metric: read_curves(session, state, metric, band, POINTS, window) for metric in metrics}
    rates = {each.arm: each.learning_rate for each in next(iter(curves.values()))}
    title = ". ".join(filter(None, (title_of(state), choice_in_words(state, rates))))
    panels = [_panel(metric.replace("_", " ").capitalize(), found) for metric, found in curves.items()]
    return [draw(panels, title, theme, image_format) for theme in themes]


def title_of(state: State) -> str:
    """Return the comparison's label, or what it compares."""
    arms, seeds = comparisons.arms_of(state.comparison), state.comparison.spec["seeds"]
    name = state.comparison.label or f"{counted(len(arms), 'arm')}, {counted(len(seeds), 'seed')}"
    return name if state.rate is None else f"{name}, learning rate {state.rate:g}"


def choice_in_words(state: State, rates: Mapping[str, float | None]) -> str | None:
    """Say how the learning rate of each arm was chosen; None if it was not."""
    if choice_of_rates(state.comparison, state.rate) is None:
        return None
    listed = ", ".join(
        f"{arm} not known yet" if rate is None else f"{arm} {rate:g}" for arm, rate in rates.items()
    )
    so_far = "" if state.ended else " so far"
    return f"Each arm at the learning rate with the best mean validation accuracy{so_far}: {listed}"


def _panel(title: str, curves: Sequence[ArmHistories]) -> Panel:
    return Panel(title, [Line(each.arm, each.method, each.steps, each.curve) for each in curves])
