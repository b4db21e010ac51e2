"""How a figure looks in both themes: its settings, and colour, dash and marker of every way to train."""

from dataclasses import dataclass
from typing import Any, Literal

Theme = Literal["light", "dark"]
Dash = tuple[int, tuple[float, ...] | None]

CARD: dict[Theme, str] = {"light": "#ffffff", "dark": "#161b22"}
"""What a figure is drawn on; every colour of a line has a contrast of at least 4.5 to it."""
INK: dict[Theme, str] = {"light": "#1c2128", "dark": "#e6edf3"}
FAINT: dict[Theme, str] = {"light": "#57606a", "dark": "#9aa4ae"}
GRID: dict[Theme, str] = {"light": "#e4e7eb", "dark": "#2b323b"}

DPI = 96  # a pixel of CSS is one of the figure
PX = 72 / DPI  # in points, the unit of letters and lines

UNKNOWN = "unknown"
COLOURS: dict[str, dict[Theme, tuple[str, str]]] = {
    "none": {"light": ("#1c2128", "#5b636e"), "dark": ("#e6edf3", "#a3aebb")},
    "weight": {"light": ("#0067b1", "#003f73"), "dark": ("#58b4f5", "#a6d8ff")},
    "weight+init": {"light": ("#c4500a", "#8a3300"), "dark": ("#ff9a52", "#ffcba6")},
    "batch": {"light": ("#00805b", "#004f38"), "dark": ("#2fcf9b", "#9aecd0")},
    "layer": {"light": ("#a2307c", "#6b1450"), "dark": ("#ee90c8", "#f9cce6")},
    "weight_mean_only_batch": {"light": ("#2619b2", "#5d52d6"), "dark": ("#9a86ff", "#c9beff")},
    "rms": {"light": ("#6b4300", "#8f6314"), "dark": ("#fedd4d", "#c7a51f")},
    "group": {"light": ("#5c086c", "#8c3da0"), "dark": ("#7ba285", "#b4d3bb")},
    UNKNOWN: {"light": ("#656d76", "#434a52"), "dark": ("#8b949e", "#c0c8d0")},
}
"""By method, or by norm for it and its init: one colour, and a second for every other arm that shares it."""

# 5 dashes, 11 markers and 2 colours have no common divisor: 110 arms of one method all look different.
DASHES: tuple[Dash, ...] = (
    (0, None),
    (0, (4.5, 1.8)),
    (0, (6, 1.6, 1.2, 1.6)),
    (0, (1.3, 1.4)),
    (0, (9, 2)),
)
SOLID, DASHED, DASH_DOT = 0, 1, 2
MARKERS = ("o", "s", "^", "D", "v", "P", "p", ">", "<", "*", "X")
MARKER_OF = dict(zip(COLOURS, MARKERS, strict=False))


@dataclass(frozen=True)
class Style:
    """How a line looks, in each of its panels and in the legend."""

    colour: str
    dash: Dash
    marker: str
    hollow: bool
    """Whether its markers are drawn as outlines."""


def style(method: str, nth: int, theme: Theme) -> Style:
    """Choose how the nth arm of a method looks, counted from 0."""
    norm = method.removesuffix("+init")
    known = next((name for name in (method, norm) if name in COLOURS), UNKNOWN)
    hollow = method.endswith("+init") and known != method
    first = DASH_DOT if hollow else DASHED if known == "none" else SOLID
    return Style(
        colour=COLOURS[known][theme][nth % 2],
        dash=DASHES[(first + nth) % len(DASHES)],
        marker=MARKERS[(MARKERS.index(MARKER_OF[known]) + nth) % len(MARKERS)],
        hollow=hollow,
    )


def settings(theme: Theme) -> dict[str, Any]:
    """Answer matplotlib's settings for a figure in a theme."""
    return {
        "axes.edgecolor": FAINT[theme],
        "axes.facecolor": CARD[theme],
        "axes.formatter.limits": (-4, 6),
        "axes.formatter.useoffset": False,
        "axes.grid": True,
        "axes.labelcolor": INK[theme],
        "axes.labelsize": 13 * PX,
        "axes.linewidth": 0.8,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.xmargin": 0.02,
        "figure.facecolor": CARD[theme],
        "font.family": "sans-serif",
        # The first ships with matplotlib and is what is measured; a browser without it takes the next.
        "font.sans-serif": ["DejaVu Sans", "Verdana"],
        "grid.color": GRID[theme],
        "grid.linewidth": 0.8,
        "lines.dash_capstyle": "butt",
        "lines.solid_capstyle": "round",
        "svg.fonttype": "none",
        "svg.hashsalt": "normserve",
        "text.color": INK[theme],
        "text.parse_math": False,
        "xtick.color": FAINT[theme],
        "xtick.labelsize": 12 * PX,
        "ytick.color": FAINT[theme],
        "ytick.labelsize": 12 * PX,
    }
