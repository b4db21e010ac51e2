"""Frames that somebody drew around a digit."""

from service.serving.intake.masks import Mask
from service.serving.intake.parts import MaskParts, parts_of

_BAND_SHARE, _COVERED, _FRAME_SHARE = 0.06, 0.85, 0.4
_MOST_FRAMES = 4


def without_frames(parts: MaskParts, most: int) -> MaskParts:
    """Return the largest parts without the frames that surround others."""
    mask = parts.mask
    for place in range(min(len(parts.names), _MOST_FRAMES)):
        frame = _frame_of(parts, place)
        left, top, right, bottom = parts.boxes[place]
        box = slice(top, bottom), slice(left, right)
        if frame is not None and (mask[box] & ~frame).any():
            mask = mask.copy()
            mask[box] &= ~frame
    return parts if mask is parts.mask else parts_of(mask, most)


def _frame_of(parts: MaskParts, place: int) -> Mask | None:
    """Return the four sides of a part that is a frame; None if it is none, or too small to frame a digit."""
    left, top, right, bottom = parts.boxes[place]
    height, width = parts.labels.shape
    if bottom - top < height * _FRAME_SHARE or right - left < width * _FRAME_SHARE:
        return None
    part: Mask = parts.labels[top:bottom, left:right] == parts.names[place]
    band_y, band_x = (max(2, round(length * _BAND_SHARE)) for length in part.shape)
    sides = part[:band_y].any(0), part[-band_y:].any(0), part[:, :band_x].any(1), part[:, -band_x:].any(1)
    if min(side.mean() for side in sides) < _COVERED:
        return None
    frame = part.copy()
    frame[band_y:-band_y, band_x:-band_x] = False
    return frame
