"""The look of a figure in both themes: matplotlib's settings, and colour, dash and marker of each method."""

import colorsys
import hashlib
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

Theme = Literal["light", "dark"]
Split = Literal["train", "validation", "test"]
Dash = tuple[int, tuple[float, ...] | None]

CARD: dict[Theme, str] = {"light": "#ffffff", "dark": "#161b22"}
"""The background of a figure; every colour of a line has a contrast of at least 4.5 to it."""
INK: dict[Theme, str] = {"light": "#1c2128", "dark": "#e6edf3"}
FAINT: dict[Theme, str] = {"light": "#57606a", "dark": "#9aa4ae"}
ALARM: dict[Theme, str] = {"light": "#cf222e", "dark": "#ff7b72"}
GRID: dict[Theme, str] = {"light": "#e4e7eb", "dark": "#2b323b"}

DPI = 96  # one CSS pixel is one pixel of the figure
PX = 72 / DPI  # one pixel in points, the unit of font sizes and line widths

Colours = dict[Theme, tuple[str, str]]
"""A colour, and a second one for every other arm with the same colour."""
COLOURS: dict[str, Colours] = {
    "none": {"light": ("#1c2128", "#5b636e"), "dark": ("#e6edf3", "#a3aebb")},
    "weight": {"light": ("#0067b1", "#003f73"), "dark": ("#58b4f5", "#a6d8ff")},
    "weight+init": {"light": ("#c4500a", "#8a3300"), "dark": ("#ff9a52", "#ffcba6")},
    "batch": {"light": ("#00805b", "#004f38"), "dark": ("#2fcf9b", "#9aecd0")},
    "layer": {"light": ("#a2307c", "#6b1450"), "dark": ("#ee90c8", "#f9cce6")},
    "weight_mean_only_batch": {"light": ("#2619b2", "#5d52d6"), "dark": ("#9a86ff", "#c9beff")},
    "rms": {"light": ("#6b4300", "#8f6314"), "dark": ("#fedd4d", "#c7a51f")},
    "group": {"light": ("#5c086c", "#8c3da0"), "dark": ("#7ba285", "#b4d3bb")},
}
"""By method, or by norm for both the norm and its init. Other methods get colours derived from their name."""
CONTRASTS: dict[Theme, tuple[float, float]] = {"light": (5, 9), "dark": (6, 11)}
"""The contrasts of derived colours to the background."""

# 5 dashes, 11 markers and 2 colours have no common divisor, so 110 arms of one method look different.
DASHES: tuple[Dash, ...] = (
    (0, None),
    (0, (4.5, 1.8)),
    (0, (6, 1.6, 1.2, 1.6)),
    (0, (1.3, 1.4)),
    (0, (9, 2)),
)
SOLID, DASHED, DASH_DOT = 0, 1, 2
MARKERS = ("o", "s", "^", "D", "v", "P", "p", ">", "<", "*", "X")
DERIVED_DASHES = (SOLID, DASHED, 3, 4)


@dataclass(frozen=True)
class Style:
    """The look of a line in all panels and in the legend."""

    colour: str
    dash: Dash
    marker: str
    hollow: bool
    """Whether its markers are outlines."""
    faint: bool = False
    """Whether it is a noisy line behind others, with markers only if it has few points."""
    rings: bool = False
    """Whether its markers are rings around those of another line."""


def style(method: str, nth: int, theme: Theme) -> Style:
    """Choose the look of the nth arm, from 0, of a method: a norm, or a norm followed by "+init"."""
    name = method if method in COLOURS else method.removesuffix("+init")
    hollow = name != method
    if name in COLOURS:
        colours, dash, marker = COLOURS[name], DASHED if name == "none" else SOLID, [*COLOURS].index(name)
    else:
        colours, dash, marker = _derived(name)
    return Style(
        colour=colours[theme][nth % 2],
        dash=DASHES[((DASH_DOT if hollow else dash) + nth) % len(DASHES)],
        marker=MARKERS[(marker + nth) % len(MARKERS)],
        hollow=hollow,
    )


def style_of_split(split: Split, method: str, theme: Theme) -> Style:
    """Choose the look of a job's line in the colours of its method; the test images are its proper look."""
    test, other = style(method, 0, theme), style(method, 1, theme)
    if split == "train":
        return replace(test, dash=DASHES[SOLID], marker=".", hollow=False, faint=True)
    if split == "validation":
        return replace(other, dash=DASHES[DASHED], marker="o", hollow=True, rings=True)
    return replace(test, dash=DASHES[SOLID], hollow=False)


@cache
def _derived(name: str) -> tuple[Colours, int, int]:
    """Derive from a name colours, and indices of a dash and of a marker that no method in COLOURS has."""
    digest = hashlib.sha256(name.encode(errors="replace")).digest()
    hue = int.from_bytes(digest[:2]) / 2**16
    colours: Colours = {
        theme: (_shade(hue, theme, first), _shade(hue, theme, second))
        for theme, (first, second) in CONTRASTS.items()
    }
    unused = range(len(COLOURS), len(MARKERS))
    return colours, DERIVED_DASHES[digest[2] % len(DERIVED_DASHES)], unused[digest[3] % len(unused)]


def _shade(hue: float, theme: Theme, least: float) -> str:
    """Return the shade of a hue in [0, 1) whose contrast to the theme's background is just this or more."""
    lightnesses = range(100, -1, -1) if theme == "light" else range(101)
    shades = (_hex(colorsys.hls_to_rgb(hue, lightness / 100, 0.9)) for lightness in lightnesses)
    return next(shade for shade in shades if contrast(shade, CARD[theme]) >= least)


def _hex(rgb: tuple[float, float, float]) -> str:
    return "#" + bytes(round(255 * each) for each in rgb).hex()


def contrast(colour: str, other: str) -> float:
    """Compute the contrast ratio of two colours such as #0067b1, from 1 to 21 (WCAG 2.2)."""
    dark, light = sorted((_luminance(colour), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    srgb = [each / 255 for each in bytes.fromhex(colour[1:])]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in srgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def settings(theme: Theme) -> dict[str, Any]:
    """Return matplotlib's settings for a figure in a theme."""
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
        # matplotlib ships with the first and measures text with it; a browser without it uses the second.
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
