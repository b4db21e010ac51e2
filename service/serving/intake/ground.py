"""How far each pixel differs from the ground around it, whatever the light on that ground.

Ink is thinner than a window, so a morphological closing removes dark ink (an opening light ink) and keeps
what is wider: shadows with soft and hard edges, the desk around a paper. Under dark ink light multiplies,
so the difference is divided by the ground.
"""

from typing import Literal

import numpy as np

from service.serving.intake.masks import Depth, Grey, extreme_of

Polarity = Literal["light_on_dark", "dark_on_light"]

WINDOW_SHARE = 0.3
_DARKEST_PAPER = 56.0


def window_of(shape: tuple[int, ...]) -> int:
    """Return the side of the window that no stroke fills, in pixels; it is odd."""
    return 2 * max(1, round(max(shape) * WINDOW_SHARE / 2)) + 1


def ground_of(grey: Grey, polarity: Polarity, window: int) -> Grey:
    """Return the picture without its ink.

    Beyond the rim the picture goes on as it is there, so a dark edge of a scan is ground, however narrow.
    """
    order: tuple[np.ufunc, np.ufunc] = (np.maximum, np.minimum)
    half = window // 2
    wide = np.pad(grey, half, "edge")
    for each in order if polarity == "dark_on_light" else order[::-1]:
        for axis in (0, 1):
            wide = extreme_of(wide, window, axis, each)
    return wide[half:-half, half:-half]


def ink_of(grey: Grey, ground: Grey, polarity: Polarity) -> Grey:
    """Return how strongly each pixel is inked, 0 to 255."""
    if polarity == "light_on_dark":
        return grey - np.minimum(grey, ground)
    depth: Depth = ground.astype(np.float32) - grey
    depth *= 255 / np.maximum(ground, _DARKEST_PAPER)
    inked: Grey = np.clip(depth, 0, 255).astype(np.uint8)
    return inked
