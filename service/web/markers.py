"""The markers of matplotlib as corners and as paths of SVG."""

import math

Point = tuple[float, float]

POLYGONS = {"^": (3, 0.0), "v": (3, 0.5), ">": (3, 0.25), "<": (3, -0.25), "D": (4, 0.0), "p": (5, 0.0)}
"""Regular polygons: the number of corners, and by which part of a turn they are turned clockwise."""
PLUS: list[Point] = [(-3, -9), (3, -9), (3, -3), (9, -3), (9, 3), (3, 3), (3, 9), (-3, 9), (-3, 3), (-9, 3)]
PLUS += [(-9, -3), (-3, -3)]


def corners_of(marker: str) -> list[Point]:
    """Return the corners of a marker of radius 1 around the origin; none for a circle or an unknown one."""
    if marker in POLYGONS:
        return _scaled(_around(*POLYGONS[marker]), 1.2)
    if marker == "s":
        return _scaled([(-1, -1), (1, -1), (1, 1), (-1, 1)], 0.9)
    if marker == "*":
        outer, inner = _around(5, 0.0), _scaled(_around(5, 0.1), 0.45)
        return _scaled([point for pair in zip(outer, inner, strict=True) for point in pair], 1.3)
    if marker in ("P", "X"):
        return _scaled([_turned(point, 0.125 if marker == "X" else 0.0) for point in PLUS], 1 / 8)
    return []


def marker_path(marker: str, radius: float) -> str:
    """Return the path of a marker around the origin."""
    corners = _scaled(corners_of(marker), radius)
    if corners:
        return "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in corners) + "Z"
    half = f"a{radius:g} {radius:g} 0 1 0"
    return f"M{-radius:g} 0{half} {2 * radius:g} 0{half} {-2 * radius:g} 0Z"


def _around(n_corners: int, turn: float) -> list[Point]:
    return [_turned((0.0, -1.0), place / n_corners + turn) for place in range(n_corners)]


def _turned(point: Point, turn: float) -> Point:
    sine, cosine = math.sin(2 * math.pi * turn), math.cos(2 * math.pi * turn)
    return point[0] * cosine - point[1] * sine, point[0] * sine + point[1] * cosine


def _scaled(corners: list[Point], factor: float) -> list[Point]:
    return [(factor * x, factor * y) for x, y in corners]
