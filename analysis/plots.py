"""The figure of a comparison or a job: panels with a line per arm or split, and a legend below."""

import math
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from analysis import palette
from analysis.curves import Curve, Floats, evenly_spaced
from analysis.glyphs import restore, substitutes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D

Theme = palette.Theme
ImageFormat = Literal["png", "svg"]
Arm = tuple[str, str, palette.Split | None]  # its label, its method, and the images of a job's line

MAX_POINTS = 12_000
"""Points of a figure: an SVG has three pairs of numbers for each, and must be smaller than 2 MB."""
FEW_POINTS = 30
SPARSE_MARKERS = 6
MANY_LINES = 8
LOG_FROM = 100
FAINT = 0.45  # opacity of a noisy line behind others
WIDTH, WIDTH_OF_ONE = 900, 560
LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 74, 20, 14, 46, 252  # pixels around a panel's axes, and of them
TITLE_LINE, TITLE_WIDTH = 22, 90  # pixels, characters
GAP = 12
METADATA: dict[ImageFormat, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}

# matplotlib's settings are global, and drawing reads them until it ends, so one figure is drawn at a time.
_drawing = Lock()


@dataclass(frozen=True)
class Line:
    """The curve of one arm."""

    label: str
    """The arm's name; any text, which is not interpreted."""
    method: str
    """The norm, followed by "+init" if it has init; determines colour, dash and marker."""
    steps: NDArray[np.int64]
    """Shape [n_points]."""
    curve: Curve
    """NaN where there is no value."""
    split: palette.Split | None = None
    """The images that a line of a job is measured on, which give it a look of their own."""


@dataclass(frozen=True)
class Mark:
    """A step at which something went wrong, and what."""

    step: int
    text: str


@dataclass(frozen=True)
class Panel:
    """One metric over the steps."""

    title: str
    lines: Sequence[Line]
    marks: Sequence[Mark] = ()


@dataclass(frozen=True)
class Points:
    """The drawn points of a line, each field [n_points]; all fields are NaN where the line is interrupted."""

    steps: Floats
    mean: Floats
    low: Floats
    high: Floats
    are_few: bool
    """Whether the line has few enough points to mark each one."""

    def alone(self) -> NDArray[np.bool_]:
        """Return which points have no neighbour, so that no line segment shows them."""
        is_finite: NDArray[np.bool_] = np.pad(np.isfinite(self.mean), 1)
        return is_finite[1:-1] & ~(is_finite[:-2] | is_finite[2:])

    def marked(self, index: int) -> list[int]:
        """Return the points to mark: all of few, or a handful of many, shifted by the index of the line."""
        known = np.flatnonzero(np.isfinite(self.mean))
        stride = 1 if self.are_few else math.ceil(len(known) / SPARSE_MARKERS)
        first = stride * (index * 5 % 8) // 8
        return sorted({*known[first::stride].tolist(), *np.flatnonzero(self.alone()).tolist()})


def draw(panels: Sequence[Panel], title: str, theme: Theme, image_format: ImageFormat) -> bytes:
    """Draw panels in rows of two, and return the file; equal input gives equal bytes.

    The mean is a line and the band is a filled area. NaN interrupts a line. If there are very many points,
    an evenly spaced selection is drawn.
    """
    with _drawing:
        import matplotlib as mpl  # noqa: PLC0415 # takes a second, and few requests draw

        # Start from the defaults: a matplotlibrc on this machine must not change a figure.
        with mpl.rc_context(_defaults(mpl.rcParamsDefault) | palette.settings(theme)):
            texts = [title, *(text for panel in panels for text in _texts(panel))]
            substitutes = substitutes_for("".join(texts), image_format == "svg")
            figure = _figure(panels, title, theme, substitutes)
            image = BytesIO()
            figure.savefig(image, format=image_format, dpi=2 * palette.DPI, metadata=METADATA[image_format])
    return image.getvalue() if image_format == "png" else restore(image.getvalue(), substitutes)


def _defaults(defaults: Any) -> Any:
    return {name: value for name, value in defaults.items() if not name.startswith("backend")}


def _texts(panel: Panel) -> list[str]:
    return [panel.title, *(line.label for line in panel.lines)]


def _figure(panels: Sequence[Panel], title: str, theme: Theme, substitutes: Mapping[int, str]) -> "Figure":
    from matplotlib.figure import Figure  # noqa: PLC0415 # see draw

    figure = Figure(dpi=palette.DPI)
    styles = _styles(panels, theme)
    max_points = MAX_POINTS // max(1, sum(len(panel.lines) for panel in panels))
    handles: dict[Arm, Line2D] = {}
    for panel in panels:
        axes = figure.add_axes((0, 0, 1, 1), ylabel=panel.title.translate(substitutes), xlabel="step")
        handles = _plot(axes, panel, styles, max_points, palette.ALARM[theme]) | handles
    width = WIDTH if len(panels) > 1 else WIDTH_OF_ONE
    labels = [label.translate(substitutes) for label, *_ in styles]
    legend = _legend(figure, [handles[arm] for arm in styles], labels, width - 2 * GAP)
    _arrange(figure, textwrap.wrap(title.translate(substitutes), TITLE_WIDTH), legend, width)
    return figure


def _styles(panels: Sequence[Panel], theme: Theme) -> dict[Arm, palette.Style]:
    """Choose the style of each arm, which is the same in every panel."""
    arms = dict.fromkeys(_arm(line) for panel in panels for line in panel.lines)
    counts: defaultdict[str, Iterator[int]] = defaultdict(count)
    return {
        (label, method, split): palette.style_of_split(split, method, theme)
        if split
        else palette.style(method, next(counts[method]), theme)
        for label, method, split in arms
    }


def _arm(line: Line) -> Arm:
    return line.label, line.method, line.split


def _plot(
    axes: "Axes", panel: Panel, styles: Mapping[Arm, palette.Style], max_points: int, alarm: str
) -> "dict[Arm, Line2D]":
    handles = {}
    for index, line in enumerate(panel.lines):
        points = _points(line, max_points)
        style = styles[_arm(line)]
        _draw_band(axes, points, style.colour, len(panel.lines))
        handles[_arm(line)] = _draw_mean(axes, points, style, index, len(panel.lines))
    _scale(axes, panel)
    for mark in panel.marks:
        _draw_mark(axes, mark, alarm)
    return handles


def _points(line: Line, max_points: int) -> Points:
    """Choose at most `max_points` points with a mean, and put a NaN wherever points between have none."""
    is_finite = np.isfinite(line.curve.mean)
    indices = np.flatnonzero(is_finite)
    are_few = len(indices) <= FEW_POINTS
    # A point without neighbours takes six times the bytes, because its marker and its bar are extra shapes.
    max_points = max(max_points - 5 * int((np.diff(indices) > 1).sum()), max_points // 6, 2)
    indices = indices[evenly_spaced(len(indices), max_points)]
    breaks = np.flatnonzero(np.diff(np.cumsum(~is_finite)[indices])) + 1
    series = (line.steps, line.curve.mean, line.curve.low, line.curve.high)
    steps, mean, low, high = (np.insert(each[indices].astype(np.float64), breaks, np.nan) for each in series)
    return Points(steps, mean, low, high, are_few)


def _draw_band(axes: "Axes", points: Points, colour: str, n_lines: int) -> None:
    alpha = min(0.18, 1.2 / n_lines)
    axes.fill_between(points.steps, points.low, points.high, color=colour, alpha=alpha, linewidth=0, zorder=2)
    alone = points.alone()
    bars = (points.steps[alone], points.low[alone], points.high[alone])
    axes.vlines(*bars, colors=colour, alpha=2 * alpha, linewidth=4, zorder=2)


def _draw_mean(axes: "Axes", points: Points, style: palette.Style, index: int, n_lines: int) -> "Line2D":
    scale = 1.0 if n_lines <= MANY_LINES else 0.8
    return axes.plot(
        points.steps,
        points.mean,
        color=style.colour,
        alpha=FAINT if style.faint else 1,
        linestyle=style.dash,
        linewidth=scale * (1.5 if points.are_few else 0.9),
        **_markers(style, axes.get_facecolor(), scale),
        markevery=[] if style.faint and not points.are_few else points.marked(index),
        zorder=3,
    )[0]


def _markers(style: palette.Style, background: Any, scale: float) -> dict[str, Any]:
    hollow = "none" if style.rings else background
    return {
        "marker": style.marker,
        "markersize": scale * (8.5 if style.rings else 5.3 if style.hollow else 6.3),
        "markerfacecolor": hollow if style.hollow else style.colour,
        # An edge in the background colour separates a filled marker from the lines below it.
        "markeredgecolor": style.colour if style.hollow else background,
        "markeredgewidth": scale * (1.1 if style.hollow else 0.6),
    }


def _draw_mark(axes: "Axes", mark: Mark, colour: str) -> None:
    """Draw a line up to a square with the words beside it, on the side that has more room."""
    axes.axvline(mark.step, color=colour, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
    place = axes.get_xaxis_transform()
    top: dict[str, Any] = {"transform": place, "clip_on": False, "zorder": 4}
    axes.plot([mark.step], [1], color=colour, marker="s", markersize=5, **top)
    first, last = axes.get_xlim()
    side = 1 if mark.step < (first + last) / 2 else -1
    beside: dict[str, Any] = {"xytext": (7 * side, 0), "textcoords": "offset points", "xycoords": place}
    looks: dict[str, Any] = {"ha": "left" if side > 0 else "right", "va": "center", "size": 12 * palette.PX}
    axes.annotate(mark.text, (mark.step, 1), color=colour, **beside, **looks)


def _scale(axes: "Axes", panel: Panel) -> None:
    means = np.concatenate([line.curve.mean for line in panel.lines] or [np.array([])])
    means = means[np.isfinite(means)]
    axes.locator_params(axis="x", integer=True)
    if not len(means):
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "no values yet", transform=axes.transAxes, ha="center", va="center")
    elif means.min() > 0 and means.max() / means.min() > LOG_FROM:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        # A band that reaches zero would extend a logarithmic axis without end.
        axes.set_ylim(bottom=means.min() / 1.5)


def _legend(figure: "Figure", handles: "list[Line2D]", labels: list[str], room: float) -> "Legend":
    """Add a legend at the bottom, with as many columns as fit into `room` pixels."""
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
    """Set the size of the figure to fit its content, and position its panels in rows of two."""
    key = legend.get_window_extent()
    width = max(width, math.ceil(key.width) + 2 * GAP)
    n_columns = min(2, len(figure.axes)) or 1
    above = GAP + TITLE_LINE * len(title)
    row = TOP + HEIGHT + BOTTOM
    height = math.ceil(above + row * math.ceil(len(figure.axes) / n_columns) + key.height + 2 * GAP)
    figure.set_size_inches(width / palette.DPI, height / palette.DPI)
    column = width / n_columns
    for index, axes in enumerate(figure.axes):
        left = column * (index % n_columns) + LEFT
        bottom = height - above - row * (index // n_columns) - TOP - HEIGHT
        axes.set_position((left / width, bottom / height, (column - LEFT - RIGHT) / width, HEIGHT / height))
    text = "\n".join(title)
    figure.text(0.5, 1 - GAP / height, text, ha="center", va="top", size=16 * palette.PX)
