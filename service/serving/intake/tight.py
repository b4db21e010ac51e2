"""Pictures that were cut to their digit: ink reaches every side, and most of the rim shows the ground."""

import numpy as np
from scipy import ndimage

from service.serving.intake.ground import Polarity
from service.serving.intake.masks import EIGHT_NEIGHBOURS, Grey, Mask, bbox_of, levels, otsu, stroke_px_of

_WHOLE_SHARE, _FULL_SIDE, _CORNER_SHARE = 0.95, 0.9, 0.3
_THINNEST_SHARE, _BETWEEN_SHARE = 0.05, 0.4
_LEAST_SPREAD = 48


def cut_to_digit(smooth: Grey) -> tuple[Polarity, Mask] | None:
    """Return polarity and ink of a picture that is cut to its digit; None for others."""
    dark, bright = levels(smooth, 0.05, 0.95)
    if bright - dark < _LEAST_SPREAD:
        return None
    # Pixels are ink or ground, and few lie between; of a texture most do.
    if np.mean(np.abs(smooth - (dark + bright) / 2) < (bright - dark) / 4) > _BETWEEN_SHARE:
        return None
    light = smooth > otsu(smooth)
    is_ground_light = bool(np.mean(_rim(light)) > 0.5)
    ink = ~light if is_ground_light else light
    sides = ink[0], ink[-1], ink[:, 0], ink[:, -1]
    if sum(side.mean() > _FULL_SIDE for side in sides) > 1 or _fills_a_corner(ink):
        return None
    if stroke_px_of(ink) < _THINNEST_SHARE * max(ink.shape):
        return None
    labels, _ = ndimage.label(ink, EIGHT_NEIGHBOURS)
    largest = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    left, top, right, bottom = bbox_of(largest)
    height, width = ink.shape
    if right - left < _WHOLE_SHARE * width or bottom - top < _WHOLE_SHARE * height:
        return None
    return ("dark_on_light" if is_ground_light else "light_on_dark"), ink


def _rim(mask: Mask) -> Mask:
    return np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])


def _fills_a_corner(ink: Mask) -> bool:
    """Return whether ink runs far along both sides from one corner, as a shadow or a desk does."""
    height, width = ink.shape
    rows, columns = round(height * _CORNER_SHARE), round(width * _CORNER_SHARE)
    views = ink, ink[::-1], ink[:, ::-1], ink[::-1, ::-1]
    return any(bool(view[0, :columns].all() and view[:rows, 0].all()) for view in views)
