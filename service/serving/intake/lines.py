"""Ruled lines and squares: thin, straight, and running to the rim of the picture.

As in the removal of staff lines from scores, a vertical run of a horizontal line is erased only where it is
no longer than the line is thick, so that strokes across the line stay whole.
"""

import numpy as np
from scipy import ndimage

from service.serving.intake.masks import EIGHT_NEIGHBOURS, Mask, dilated, opened

_RUN_SHARE, _GAP_SHARE, _SPAN_SHARE, _LEAVING_SHARE = 0.15, 0.03, 0.85, 0.25
_THICKEST_SHARE, _THIN_SHARE = 0.04, 0.3
_MOST_LINES = 40


def lines_of(mask: Mask) -> Mask:
    """Return the pixels of lines that reach the rim, without the strokes that cross them."""
    across = _horizontal_lines(mask)
    rest = mask & ~across if across.any() else mask
    return across | _horizontal_lines(rest.T).T


def _horizontal_lines(mask: Mask) -> Mask:
    height, width = mask.shape
    lines = np.zeros_like(mask)
    if mask.any(0).mean() < _LEAVING_SHARE:
        return lines
    joined = dilated(mask, 3, 2 * int(width * _GAP_SHARE / 2) + 1)
    long = opened(joined, 1, max(3, round(width * _RUN_SHARE)))
    if not long.any():
        return lines
    labels, _ = ndimage.label(long, EIGHT_NEIGHBOURS)
    thickest = 1 + _THICKEST_SHARE * max(mask.shape)
    for label, box in enumerate(ndimage.find_objects(labels)[:_MOST_LINES], 1):
        # A faint line has gaps, and a tilted one leaves through the rim above or below.
        ends_at_rim = min(box[0].start, box[1].start) <= 1
        ends_at_rim |= box[0].stop >= height - 1 or box[1].stop >= width - 1
        if box[1].stop - box[1].start < width * (_LEAVING_SHARE if ends_at_rim else _SPAN_SHARE):
            continue
        line = mask[box] & (labels[box] == label)
        thick = _thickness(line)
        if thick <= thickest:
            rows = slice(max(0, box[0].start - thick - 2), box[0].stop + thick + 2)
            crossing = opened(mask[rows, box[1]], thick + 2, 1)[
                box[0].start - rows.start : box[0].stop - rows.start
            ]
            lines[box] |= line & ~crossing
    return lines


def _thickness(line: Mask) -> int:
    counts = np.count_nonzero(line, axis=0)
    counts = counts[counts > 0]
    return int(np.ceil(np.quantile(counts, _THIN_SHARE))) if counts.size else 0
