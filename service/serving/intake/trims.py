"""Straight edges along the rim of a picture, which are cut off: frames, scanner edges, lines."""

import numpy as np
import numpy.typing as npt

from service.serving.intake.masks import Bbox, Grey, otsu

_UNIFORM, _DEEPEST_SHARE, _BLUR_PARTS = 0.88, 0.12, 96
_LEAST_SPREAD = 32

Shares = npt.NDArray[np.float64]  # (rows,), how much of each row is ground


def trim_of(grey: Grey) -> Bbox:
    """Return left, top, right, bottom of a picture without the straight edges along its rim."""
    height, width = grey.shape
    if int(grey.max()) - int(grey.min()) < _LEAST_SPREAD:
        return 0, 0, width, height
    light = grey > otsu(grey)
    is_ground_light = bool(light[_middle(height), _middle(width)].mean() > 0.5)
    ground = light if is_ground_light else ~light
    rows, columns = ground.mean(1), ground.mean(0)
    return _edge(columns), _edge(rows), width - _edge(columns[::-1]), height - _edge(rows[::-1])


def _middle(side: int) -> slice:
    return slice(side // 5, side - side // 5)


def _edge(shares: Shares) -> int:
    """Return where the last straight edge near the start ends, with its blur; 0 if there is none."""
    near = shares[: int(_DEEPEST_SHARE * len(shares)) + 1]
    edges = np.flatnonzero(near < 1 - _UNIFORM)
    return int(edges[-1]) + 1 + len(shares) // _BLUR_PARTS if edges.size else 0
