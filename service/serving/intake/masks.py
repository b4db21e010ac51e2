"""Small operations on grey pictures and masks, none of which loops over pixels."""

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]  # (height, width)
Mask = npt.NDArray[np.bool_]  # (height, width)
Labels = npt.NDArray[np.int32]  # (height, width), 0 outside all parts
Depth = npt.NDArray[np.float32]  # (height, width)
Bbox = tuple[int, int, int, int]

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


def bbox_of(mask: Mask) -> Bbox:
    """Return left, top, right, bottom of a mask that is not empty; right and bottom lie outside it."""
    (rows,), (columns,) = np.nonzero(mask.any(1)), np.nonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def extreme_of(values: Grey, length: int, axis: int, extreme: np.ufunc) -> Grey:
    """Return the `extreme` (`np.maximum` or `np.minimum`) over a window of this length at each pixel.

    The same as `scipy.ndimage.maximum_filter1d` with mode `nearest`, which takes longer: here a window
    doubles until it is long enough.
    """
    n_pixels = values.shape[axis]
    places = np.arange(-(length // 2), n_pixels + length - length // 2 - 1)
    wide = values.take(places, axis, mode="clip")
    reach = 1
    while reach < length:
        step = min(reach, length - reach)
        wide = extreme(_along(wide, axis, slice(-step)), _along(wide, axis, slice(step, None)))
        reach += step
    return wide


def _along(values: Grey, axis: int, part: slice) -> Grey:
    return values[part] if axis == 0 else values[:, part]


def dilated(mask: Mask, height: int, width: int) -> Mask:
    """Spread a mask over a window of this height and width."""
    return _spread(mask, height, width, np.maximum)


def eroded(mask: Mask, height: int, width: int) -> Mask:
    """Keep the pixels whose whole window is in the mask; outside the picture nothing changes."""
    return _spread(mask, height, width, np.minimum)


def _spread(mask: Mask, height: int, width: int, extreme: np.ufunc) -> Mask:
    values = mask.view(np.uint8)
    for axis, length in enumerate((height, width)):
        if length > 1:
            values = extreme_of(values, length, axis, extreme)
    return values.view(bool)


def opened(mask: Mask, height: int, width: int) -> Mask:
    """Keep the parts of a mask that a window of this height and width fits into."""
    # The second window is mirrored: an even one lies off its centre.
    kept = eroded(mask, height, width)
    return dilated(kept[::-1, ::-1], height, width)[::-1, ::-1]


def otsu(values: Grey) -> int:
    """Return the level that splits the histogram into the two most distinct classes (Otsu 1979)."""
    counts = np.bincount(values.ravel(), minlength=256)
    below = np.cumsum(counts)[:-1]
    above = values.size - below
    sums = np.cumsum(counts * np.arange(256))
    distance = sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return int(np.argmax(below * above * distance**2))


def level(values: Grey, share: float) -> int:
    """Return the level that this share of the values does not exceed."""
    return levels(values, share)[0]


def levels(values: Grey, *shares: float) -> list[int]:
    """Return the levels that these shares of the values do not exceed."""
    counts = np.cumsum(np.bincount(values.ravel(), minlength=256))
    return [int(np.searchsorted(counts, share * values.size)) for share in shares]


def stroke_px_of(mask: Mask) -> float:
    """Estimate a stroke's mean width as 2 · area / perimeter, in pixels of the mask."""
    padded = np.pad(mask, 1)
    across = padded[:-1, 1:] ^ padded[:-1, :-1]
    along = padded[1:, :-1] ^ padded[:-1, :-1]
    # An edge that runs both ways within one pixel is a diagonal: √2, not 2.
    perimeter = across.sum() + along.sum() - (2 - 2**0.5) * (across & along).sum()
    return float(2 * mask.sum() / perimeter)
