"""The last steps to MNIST's form: pen, box of 20 pixels, centre of mass."""

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from service.serving.intake.masks import Grey, bbox_of

SIDE, BOX, CENTRE = 28, 20, 14
FULL_INK = 250
HAIR_LINE_PX = 1.6
_PEN_PX, _LEAST_PX = 2.4, 80


def is_like_mnist(grey: Grey) -> bool:
    """Return whether the last steps would not change this picture."""
    if grey.shape != (SIDE, SIDE) or grey.max() < FULL_INK // 2:
        return False
    left, top, right, bottom = bbox_of(grey > 0)
    # A handful of MNIST's digits have a longest side of 19.
    if max(right - left, bottom - top) not in (BOX - 1, BOX):
        return False
    return np.array_equal(centred(grey[top:bottom, left:right]), grey)


def thickened(grey: Grey, stroke_px: float) -> Grey:
    """Widen hair-lines to the pen of MNIST; a small digit is enlarged first, because a pixel is its pen."""
    if stroke_px >= HAIR_LINE_PX:
        return grey
    if max(grey.shape) < _LEAST_PX:
        factor = -(-_LEAST_PX // max(grey.shape))
        size = grey.shape[1] * factor, grey.shape[0] * factor
        grey = np.asarray(Image.fromarray(np.ascontiguousarray(grey)).resize(size, Image.Resampling.BICUBIC))
    grow = max(1, round((_PEN_PX - stroke_px) / 2 * max(grey.shape) / BOX))
    thick: Grey = ndimage.maximum_filter(np.pad(grey, grow), 2 * grow + 1)
    return thick


def boxed(digit: Grey) -> Grey:
    """Average over areas into a box whose longest side is 20; a digit of that size keeps its bits."""
    scale = BOX / max(digit.shape)
    height, width = (max(1, round(side * scale)) for side in digit.shape)
    averaged = _areas(digit.shape[0], height) @ digit @ _areas(digit.shape[1], width).T
    # Rounded up, so that the faintest tip still reaches the box's edge and a second pass changes nothing.
    raised: Grey = np.ceil(averaged - 0.01).astype(np.uint8)
    return raised


def _areas(n_in: int, n_out: int) -> npt.NDArray[np.float64]:  # (n_out, n_in)
    """Return the weights with which each output pixel averages the input pixels that it covers."""
    edges = np.linspace(0, n_in, n_out + 1)[:, None]
    pixels = np.arange(n_in)
    overlap = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    weights: npt.NDArray[np.float64] = np.maximum(overlap, 0) * (n_out / n_in)
    return weights


def centred(box: Grey) -> Grey:
    """Place the box in the frame so that its mass centre rounds to index 14, as far as it stays inside."""
    centre = np.floor(np.array(ndimage.center_of_mass(box)) + 0.5)
    height, width = box.shape
    top, left = np.clip(CENTRE - centre, 0, [SIDE - height, SIDE - width]).astype(int)
    frame = np.zeros((SIDE, SIDE), np.uint8)
    frame[top : top + height, left : left + width] = box
    return frame
