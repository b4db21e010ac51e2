"""The markers of matplotlib as paths of SVG."""

import math
from collections.abc import Iterable

Point = tuple[float, float]

CORNERS = {"^": (3, 0.0), "v": (3, 0.5), ">": (3, 0.25), "<": (3, -0.25), "D": (4, 0.0), "p": (5, 0.0)}
"""Regular polygons: the number of corners, and by which part of a turn they are turned clockwise."""
PLUS: list[Point] = [(-3, -9), (3, -9), (3, -3), (9, -3), (9, 3), (3, 3), (3, 9), (-3, 9), (-3, 3), (-9, 3)]
PLUS += [(-9, -3), (-3, -3)]


def marker_path(marker: str, radius: float) -> str:
    """Return the path of a marker around the origin; one that is not known is a circle."""
    if marker in CORNERS:
        return _polygon(_around(*CORNERS[marker]), 1.2 * radius)
    if marker == "s":
        return _polygon([(-1, -1), (1, -1), (1, 1), (-1, 1)], 0.9 * radius)
    if marker == "*":
        outer, inner = _around(5, 0.0), [(0.45 * x, 0.45 * y) for x, y in _around(5, 0.1)]
        return _polygon([point for pair in zip(outer, inner, strict=True) for point in pair], 1.3 * radius)
    if marker in ("P", "X"):
        return _polygon([_turned(point, 0.125 if marker == "X" else 0.0) for point in PLUS], radius / 8)
    half = f"a{radius:g} {radius:g} 0 1 0"
    return f"M{-radius:g} 0{half} {2 * radius:g} 0{half} {-2 * radius:g} 0Z"


def _around(n_corners: int, turn: float) -> list[Point]:
    return [_turned((0.0, -1.0), place / n_corners + turn) for place in range(n_corners)]


def _turned(point: Point, turn: float) -> Point:
    sine, cosine = math.sin(2 * math.pi * turn), math.cos(2 * math.pi * turn)
    return point[0] * cosine - point[1] * sine, point[0] * sine + point[1] * cosine


def _polygon(corners: Iterable[Point], radius: float) -> str:
    return "M" + "L".join(f"{radius * x:.2f} {radius * y:.2f}" for x, y in corners) + "Z"
