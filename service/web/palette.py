"""The look of figures and methods as CSS and as a script: the pages have no other list of them."""

import json
from collections.abc import Iterator
from typing import Any, get_args

from analysis.palette import (
    ALARM,
    CARD,
    DASHES,
    FAINT,
    GRID,
    INK,
    MARKERS,
    Dash,
    Split,
    Theme,
    style,
    style_of_split,
)
from models.specs.facts import NORMS
from service.web.markers import corners_of

THEMES: tuple[Theme, Theme] = ("light", "dark")
OF_FIGURES = {"card": CARD, "ink": INK, "faint": FAINT, "alarm": ALARM, "grid": GRID}
ENDINGS = ("", "-2")
"""Of the names of a method's first and second colour."""
SPLITS: tuple[Split, ...] = get_args(Split)
METHODS = [norm + ending for norm in NORMS for ending in ("", "+init")]


def palette_css() -> str:
    """Write the palette as custom properties for both themes.

    A method has --method-NAME for its first arm and --method-NAME-2 for its second; elements with the class
    method-NAME or method-NAME-2 have them as --method.
    """
    properties = [_property(name, *(each[theme] for theme in THEMES)) for name, each in OF_FIGURES.items()]
    properties += [line for method in METHODS for line in _properties_of(method)]
    names = [f"method-{css_name(method)}{ending}" for method in METHODS for ending in ENDINGS]
    classes = [f".{name} {{ --method: var(--{name}) }}\n" for name in names]
    return f":root {{\n{''.join(properties)}}}\n{''.join(classes)}"


def _properties_of(method: str) -> Iterator[str]:
    for nth, ending in enumerate(ENDINGS):
        colours = [style(method, nth, theme).colour for theme in THEMES]
        yield _property(f"method-{css_name(method)}{ending}", *colours)


def palette_js() -> str:
    """Write a module with the looks of analysis.palette, colours as properties, and corners of markers."""
    dashes = [_dash(dash) for dash in DASHES]
    looks = {method: _look(method) for method in METHODS}
    splits = {method: {split: _look_of_split(split, method) for split in SPLITS} for method in METHODS}
    corners = {marker: [[round(x, 4), round(y, 4)] for x, y in corners_of(marker)] for marker in MARKERS}
    return LOOK % tuple(map(json.dumps, (looks, dashes, MARKERS, splits, corners)))


LOOK = """\
const METHODS = %s;
const DASHES = %s;
const MARKERS = %s;
const SPLITS = %s;
// The corners of each marker, with a radius of about 1; a circle has none.
export const CORNERS = %s;

// The look of the nth arm, from 0, of a method. Dashes are in widths of the line.
export function look(method, nth = 0) {
  const { name, dash, marker, hollow } = METHODS[method] ?? METHODS.none;
  return {
    colour: `var(--method-${name}${nth %% 2 ? "-2" : ""})`,
    dash: DASHES[(dash + nth) %% DASHES.length],
    marker: MARKERS[(marker + nth) %% MARKERS.length],
    hollow,
  };
}

// The look of a job's line on the images of a split, in the colours of its method.
export const lookOfSplit = (split, method) => (SPLITS[method] ?? SPLITS.none)[split];
"""


def _look(method: str) -> dict[str, Any]:
    first = style(method, 0, "light")
    return {
        "name": css_name(method),
        "dash": DASHES.index(first.dash),
        "marker": MARKERS.index(first.marker),
        "hollow": first.hollow,
    }


def _look_of_split(split: Split, method: str) -> dict[str, Any]:
    found = style_of_split(split, method, "light")
    ending = "" if found.colour == style(method, 0, "light").colour else "-2"
    return {
        "colour": f"var(--method-{css_name(method)}{ending})",
        "dash": _dash(found.dash),
        **{name: getattr(found, name) for name in ("marker", "hollow", "faint", "rings")},
    }


def _dash(dash: Dash) -> str:
    return " ".join(f"{length:g}" for length in dash[1] or ())


def css_name(method: str) -> str:
    """Return a method's name as it is in classes and properties: weight-init for weight+init."""
    return method.replace("+", "-").replace("_", "-")


def _property(name: str, light: str, dark: str) -> str:
    return f"  --{name}: light-dark({light}, {dark});\n"
