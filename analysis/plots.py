"""The figure of a comparison: one panel a quantity, one line an arm, the legend below them."""

import math
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, count, repeat
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from analysis import palette
from analysis.curves import Curve, Floats, thin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D

Theme = palette.Theme
ImageFormat = Literal["png", "svg"]
Arm = tuple[str, str]  # its label and its method

MOST_POINTS = 12_000
"""Of a figure: its SVG holds three pairs of numbers a point, within 2 MB."""
FEW_POINTS = 30
SPARSE_MARKERS = 6
MANY_LINES = 8
LOG_FROM = 100
WIDTH, WIDTH_OF_ONE = 900, 560
LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 74, 20, 14, 46, 252  # pixels around a panel's axes, and of them
TITLE_LINE, TITLE_WIDTH = 22, 90  # pixels, characters
GAP = 12
METADATA: dict[ImageFormat, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}
NO_SIGN = "\N{REPLACEMENT CHARACTER}"
UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")  # XML forbids most of them
SPARE = range(0x2500, 0x2C00)  # box drawing to arrows

# matplotlib's settings belong to the process, and drawing reads them until its end: one figure at a time.
_drawing = Lock()


@dataclass(frozen=True)
class Line:
    """The curve of one arm."""

    label: str
    """The arm's name: any text, shown as it is."""
    method: str
    """Its norm, or norm and "+init": decides colour, dash and marker."""
    steps: NDArray[np.int64]
    """Shape [n_points]."""
    curve: Curve
    """NaN where there is no figure."""


@dataclass(frozen=True)
class Panel:
    """One quantity over the steps."""

    title: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class Points:
    """What is drawn of a line, each of shape [n_points]; NaN, in all of them, where it stops."""

    steps: Floats
    mean: Floats
    low: Floats
    high: Floats
    are_few: bool
    """Whether the line has so few points that each gets a marker."""

    def alone(self) -> NDArray[np.bool_]:
        """Answer which have no neighbour: a line through them would show nothing."""
        known: NDArray[np.bool_] = np.pad(np.isfinite(self.mean), 1)
        return known[1:-1] & ~(known[:-2] | known[2:])

    def marked(self, place: int) -> list[int]:
        """Answer which get a marker: all of few; of many a handful, elsewhere for each place."""
        known = np.flatnonzero(np.isfinite(self.mean))
        stride = 1 if self.are_few else math.ceil(len(known) / SPARSE_MARKERS)
        first = stride * (place * 5 % 8) // 8
        return sorted({*known[first::stride].tolist(), *np.flatnonzero(self.alone()).tolist()})


def draw(panels: Sequence[Panel], title: str, theme: Theme, image_format: ImageFormat) -> bytes:
    """Draw panels two in a row; equal input gives equal bytes.

    A mean is a line, its band a fill. Where a mean is NaN its line stops, and
    goes on after it. Of very many points some are drawn, evenly chosen.
    """
    with _drawing:
        import matplotlib as mpl  # noqa: PLC0415 # takes a second, and most requests draw nothing

        # The defaults come first: a matplotlibrc that lies about must not change a figure.
        with mpl.rc_context(_defaults(mpl.rcParamsDefault) | palette.settings(theme)):
            texts = [title, *(text for panel in panels for text in _texts(panel))]
            signs = _stand_ins("".join(texts), image_format)
            figure = _figure(panels, title, theme, signs)
            image = BytesIO()
            figure.savefig(image, format=image_format, dpi=2 * palette.DPI, metadata=METADATA[image_format])
    return image.getvalue() if image_format == "png" else _restore(image.getvalue(), signs)


def _defaults(defaults: Any) -> Any:
    return {name: value for name, value in defaults.items() if not name.startswith("backend")}


def _texts(panel: Panel) -> list[str]:
    return [panel.title, *(line.label for line in panel.lines)]


def _stand_ins(text: str, image_format: ImageFormat) -> dict[int, str]:
    """Choose a sign of the font for each character of the text that it lacks.

    matplotlib warns of a character without a sign. In an SVG the reader's
    fonts may have it: each gets a stand-in of its own, to be taken back.
    """
    from matplotlib.font_manager import findfont, get_font  # noqa: PLC0415 # see draw

    known = get_font(findfont("DejaVu Sans")).get_charmap()
    unprintable = set(UNPRINTABLE.findall(text))
    lacking = sorted({sign for sign in text if ord(sign) not in known} - unprintable)
    spare = (chr(code) for code in sorted(known) if code in SPARE and chr(code) not in text)
    taken = spare if image_format == "svg" else repeat(NO_SIGN)
    return {ord(sign): NO_SIGN for sign in unprintable} | {
        ord(sign): stand_in for sign, stand_in in zip(lacking, chain(taken, repeat(NO_SIGN)), strict=False)
    }


def _restore(svg: bytes, signs: Mapping[int, str]) -> bytes:
    back = {ord(stand_in): sign for sign, stand_in in signs.items() if stand_in != NO_SIGN}
    return svg.decode().translate(back).encode()


def _figure(panels: Sequence[Panel], title: str, theme: Theme, signs: Mapping[int, str]) -> "Figure":
    from matplotlib.figure import Figure  # noqa: PLC0415 # see draw

    figure = Figure(dpi=palette.DPI)
    styles = _styles(panels, theme)
    most = MOST_POINTS // max(1, sum(len(panel.lines) for panel in panels))
    handles: dict[Arm, Line2D] = {}
    for panel in panels:
        axes = figure.add_axes((0, 0, 1, 1), ylabel=panel.title.translate(signs), xlabel="step")
        handles = _plot(axes, panel, styles, most) | handles
    width = WIDTH if len(panels) > 1 else WIDTH_OF_ONE
    labels = [label.translate(signs) for label, _ in styles]
    legend = _legend(figure, [handles[arm] for arm in styles], labels, width - 2 * GAP)
    _arrange(figure, textwrap.wrap(title.translate(signs), TITLE_WIDTH), legend, width)
    return figure


def _styles(panels: Sequence[Panel], theme: Theme) -> dict[Arm, palette.Style]:
    """Choose one style an arm, the same in every panel."""
    arms = dict.fromkeys((line.label, line.method) for panel in panels for line in panel.lines)
    counts: defaultdict[str, Iterator[int]] = defaultdict(count)
    return {arm: palette.style(arm[1], next(counts[arm[1]]), theme) for arm in arms}


def _plot(axes: "Axes", panel: Panel, styles: Mapping[Arm, palette.Style], most: int) -> "dict[Arm, Line2D]":
    handles = {}
    for place, line in enumerate(panel.lines):
        points = _points(line, most)
        look = styles[line.label, line.method]
        _draw_band(axes, points, look.colour, len(panel.lines))
        handles[line.label, line.method] = _draw_mean(axes, points, look, place, len(panel.lines))
    _scale(axes, panel)
    return handles


def _points(line: Line, most: int) -> Points:
    """Choose at most so many points that have a mean, with a NaN wherever some in between have none."""
    found = np.isfinite(line.curve.mean)
    places = np.flatnonzero(found)
    are_few = len(places) <= FEW_POINTS
    # A point that stands alone takes six times the bytes: its marker and its bar are shapes of their own.
    most = max(most - 5 * int((np.diff(places) > 1).sum()), most // 6, 2)
    places = places[thin(len(places), most)]
    breaks = np.flatnonzero(np.diff(np.cumsum(~found)[places])) + 1
    series = (line.steps, line.curve.mean, line.curve.low, line.curve.high)
    steps, mean, low, high = (np.insert(each[places].astype(np.float64), breaks, np.nan) for each in series)
    return Points(steps, mean, low, high, are_few)


def _draw_band(axes: "Axes", points: Points, colour: str, n_lines: int) -> None:
    alpha = min(0.18, 1.2 / n_lines)
    axes.fill_between(points.steps, points.low, points.high, color=colour, alpha=alpha, linewidth=0, zorder=2)
    alone = points.alone()
    bars = (points.steps[alone], points.low[alone], points.high[alone])
    axes.vlines(*bars, colors=colour, alpha=2 * alpha, linewidth=4, zorder=2)


def _draw_mean(axes: "Axes", points: Points, look: palette.Style, place: int, n_lines: int) -> "Line2D":
    slim = 1.0 if n_lines <= MANY_LINES else 0.8
    return axes.plot(
        points.steps,
        points.mean,
        color=look.colour,
        linestyle=look.dash,
        linewidth=slim * (1.5 if points.are_few else 0.9),
        marker=look.marker,
        markersize=slim * (5.3 if look.hollow else 6.3),
        markerfacecolor=axes.get_facecolor() if look.hollow else look.colour,
        # A rim of the background sets a filled marker off the lines beneath it.
        markeredgecolor=look.colour if look.hollow else axes.get_facecolor(),
        markeredgewidth=slim * (1.1 if look.hollow else 0.6),
        markevery=points.marked(place),
        zorder=3,
    )[0]


def _scale(axes: "Axes", panel: Panel) -> None:
    means = np.concatenate([line.curve.mean for line in panel.lines] or [np.array([])])
    means = means[np.isfinite(means)]
    axes.locator_params(axis="x", integer=True)
    if not len(means):
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "no figures yet", transform=axes.transAxes, ha="center", va="center")
    elif means.min() > 0 and means.max() / means.min() > LOG_FROM:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        # A band that reaches zero would take the axis down for ever.
        axes.set_ylim(bottom=means.min() / 1.5)


def _legend(figure: "Figure", handles: "list[Line2D]", labels: list[str], room: float) -> "Legend":
    """Put a legend at the bottom, in as many columns as there is room for."""
    spacing = 24
    options: dict[str, Any] = {"loc": "lower center", "frameon": False, "borderpad": 0, "handlelength": 3.2}
    options |= {"fontsize": 12 * palette.PX, "columnspacing": spacing / 12, "borderaxespad": 1}
    column = figure.legend(handles, labels, **options)
    n_columns = max(1, int((room + spacing) // (column.get_window_extent().width + spacing)))
    column.remove()
    n_rows = max(1, math.ceil(len(labels) / n_columns))
    legend = figure.legend(handles, labels, ncols=max(1, math.ceil(len(labels) / n_rows)), **options)
    for sample in legend.get_lines():
        sample.set_linewidth(1.4)
    return legend


def _arrange(figure: "Figure", title: list[str], legend: "Legend", width: float) -> None:
    """Size the figure to all that is in it, and place its panels in rows of two."""
    key = legend.get_window_extent()
    width = max(width, math.ceil(key.width) + 2 * GAP)
    n_columns = min(2, len(figure.axes)) or 1
    above = GAP + TITLE_LINE * len(title)
    row = TOP + HEIGHT + BOTTOM
    height = math.ceil(above + row * math.ceil(len(figure.axes) / n_columns) + key.height + 2 * GAP)
    figure.set_size_inches(width / palette.DPI, height / palette.DPI)
    column = width / n_columns
    for place, axes in enumerate(figure.axes):
        left = column * (place % n_columns) + LEFT
        bottom = height - above - row * (place // n_columns) - TOP - HEIGHT
        axes.set_position((left / width, bottom / height, (column - LEFT - RIGHT) / width, HEIGHT / height))
    words = "\n".join(title)
    figure.text(0.5, 1 - GAP / height, words, ha="center", va="top", size=16 * palette.PX)
