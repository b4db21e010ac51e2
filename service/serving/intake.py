"""Convert a grey picture of a digit to one like MNIST's; a picture that is like them is unchanged.

MNIST has light ink on black. The longest side of a digit is 20 pixels, in a
frame of 28, shifted by whole pixels so that its centre of mass is nearest to
index 14.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from service import errors

SIDE, BOX, CENTRE = 28, 20, 14

Grey = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Bbox = tuple[int, int, int, int]
Polarity = Literal["light_on_dark", "dark_on_light"]
Treatment = Literal["inverted", "flattened", "stretched", "despeckled", "thickened", "resized", "centred"]
IntakeWarning = Literal["no_ink", "several_parts", "touches_border"]

_HAIR_LINE_PX, _PEN_PX = 1.6, 2.4
_EVEN_LEVELS, _LEAST_CONTRAST = 8, 24
_SPECK_SHARE, _PART_SHARE = 0.03, 0.1
_SKIRT_PX = 2
_FULL_INK, _FULL_SHARE, _NOISE_SHARE = 250, 0.8, 0.98
_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class IntakeReport:
    """What was done to a picture, in that order."""

    polarity: Polarity
    applied: tuple[Treatment, ...]
    bbox: Bbox
    """Left, top, right, bottom of the ink in the picture given; right and bottom lie outside it."""
    stroke_px: float
    """The pen's mean width at the scale of the 28×28, before any thickening."""
    warnings: tuple[IntakeWarning, ...]
    """Never `no_ink`: such a picture has no digit and raises `BlankImage`."""


@dataclass(frozen=True, eq=False)
class Intake:
    """The picture that the net gets, and how it was made."""

    image: npt.NDArray[np.float32]  # (28, 28), 0 black to 1 ink
    report: IntakeReport


@dataclass(frozen=True, eq=False)
class _Ink:
    """A digit cut out of its picture."""

    grey: Grey
    """0 except where there is ink."""
    bbox: Bbox
    stroke_px: float
    n_parts: int
    n_specks: int
    is_stretched: bool


def normalise(grey: Grey) -> Intake:  # (height, width)
    """Return the digit as MNIST would show it; raise `BlankImage` for a picture without ink."""
    if _is_like_mnist(grey):
        return Intake(_unit(grey), _report(_find_ink(grey), grey.shape, "light_on_dark", ()))
    dark_on_light = _is_dark_on_light(grey)
    light = 255 - grey if dark_on_light else grey
    flat = _flattened(light)
    ink = _find_ink(flat)
    digit = _thickened(ink)
    image = _centred(_boxed(digit))
    done: dict[Treatment, bool] = {
        "inverted": dark_on_light,
        "flattened": flat is not light,
        "stretched": ink.is_stretched,
        "despeckled": ink.n_specks > 0,
        "thickened": ink.stroke_px < _HAIR_LINE_PX,
        "resized": max(digit.shape) != BOX,
        "centred": not np.array_equal(image, light),
    }
    applied = tuple(treatment for treatment, was_done in done.items() if was_done)
    polarity: Polarity = "dark_on_light" if dark_on_light else "light_on_dark"
    return Intake(_unit(image), _report(ink, grey.shape, polarity, applied))


def _unit(grey: Grey) -> npt.NDArray[np.float32]:
    return grey.astype(np.float32) / np.float32(255)


def _report(
    ink: _Ink, shape: tuple[int, ...], polarity: Polarity, applied: tuple[Treatment, ...]
) -> IntakeReport:
    left, top, right, bottom = ink.bbox
    height, width = shape
    found: dict[IntakeWarning, bool] = {
        "several_parts": ink.n_parts > 1,
        "touches_border": left == 0 or top == 0 or right == width or bottom == height,
    }
    warnings = tuple(warning for warning, was_found in found.items() if was_found)
    return IntakeReport(polarity, applied, ink.bbox, round(ink.stroke_px, 2), warnings)


def _is_like_mnist(grey: Grey) -> bool:
    """Return whether the last steps would not change this picture."""
    if grey.shape != (SIDE, SIDE) or grey.max() < _FULL_INK // 2:
        return False
    left, top, right, bottom = _bbox(grey > 0)
    # A handful of MNIST's digits have a longest side of 19.
    if max(right - left, bottom - top) not in (BOX - 1, BOX):
        return False
    return np.array_equal(_centred(grey[top:bottom, left:right]), grey)


def _is_dark_on_light(grey: Grey) -> bool:
    return bool(np.median(_border(grey)) * 2 > int(grey.min()) + int(grey.max()))


def _border(grey: Grey) -> Grey:
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def _flattened(light: Grey) -> Grey:
    """Subtract a blurred minimum, unless that is even: strokes are thinner than its window."""
    block = max(1, max(light.shape) // 48)
    height, width = light.shape
    padded = np.pad(light, ((0, -height % block), (0, -width % block)), mode="edge")
    rows, columns = padded.shape[0] // block, padded.shape[1] // block
    coarse = padded.reshape(rows, block, columns, block).min(1).min(2)
    window = max(3, max(coarse.shape) // 3)
    ground = ndimage.gaussian_filter(ndimage.minimum_filter(coarse, window), window / 4, output=np.float32)
    if np.ptp(ground) < _EVEN_LEVELS:
        return light
    smooth = Image.fromarray(ground.astype(np.uint8)).resize((width, height), Image.Resampling.BILINEAR)
    flat: Grey = light - np.minimum(light, np.asarray(smooth))
    return flat


def _find_ink(light: Grey) -> _Ink:
    """Cut out the ink: what is lighter than ground and noise, and not a speck."""
    ground, noise = _ground_and_noise(light)
    strong = light > max(_otsu(light), ground + noise)
    core, n_parts, n_specks = _without_specks(strong)
    full = _level(light[core], _FULL_SHARE)
    if full - ground < max(_LEAST_CONTRAST, noise):
        raise errors.BlankImage("the picture has no ink: everything is about as light as its border")
    near = ndimage.maximum_filter(core, 2 * _SKIRT_PX + 1)
    # JPEG has ringing around a stroke, stronger within the skirt than outside.
    floor = max(ground + noise, 2 * _level(light[~near & (light > 0)], _NOISE_SHARE))
    is_ink = core | near & (light > floor)
    left, top, right, bottom = bbox = _bbox(is_ink)
    is_stretched = ground > 0 or full < _FULL_INK
    grey = (light * is_ink)[top:bottom, left:right]
    if is_stretched:
        grey = _stretched(grey, ground, full)
    stroke_px = _stroke_px(core[top:bottom, left:right]) * BOX / max(grey.shape)
    return _Ink(grey, bbox, stroke_px, n_parts, n_specks, is_stretched)


def _ground_and_noise(light: Grey) -> tuple[float, float]:
    """Measure at the border: the ground's level, and how far noise may rise above it."""
    border = _border(light)
    ground = np.median(border)
    return float(ground), 6 * float(np.median(np.abs(border - ground)))


def _otsu(light: Grey) -> int:
    """Return the level that splits the histogram into the two most distinct classes (Otsu 1979)."""
    counts = np.bincount(light.ravel(), minlength=256)
    below, above = np.cumsum(counts)[:-1], light.size - np.cumsum(counts)[:-1]
    sums = np.cumsum(counts * np.arange(256))
    distance = sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return int(np.argmax(below * above * distance**2))


def _without_specks(strong: Mask) -> tuple[Mask, int, int]:
    """Return the parts without specks, how many of them are large, and how many specks were removed."""
    labels, _ = ndimage.label(strong, _EIGHT_NEIGHBOURS)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    least = max(1, (max(strong.shape) // 128) ** 2, _SPECK_SHARE * sizes.max())
    kept = sizes >= least
    n_parts = int(np.count_nonzero(kept & (sizes >= _PART_SHARE * sizes.max())))
    return kept[labels], n_parts, int(np.count_nonzero(sizes) - np.count_nonzero(kept))


def _level(values: Grey, share: float) -> int:
    """Return the level that this share of the values does not exceed."""
    counts = np.cumsum(np.bincount(values, minlength=256))
    return int(np.searchsorted(counts, share * values.size))


def _stretched(grey: Grey, ground: float, full: float) -> Grey:
    levels = np.clip((np.arange(256) - ground) * (255 / (full - ground)), 0, 255)
    stretched: Grey = levels.astype(np.uint8)[grey]
    return stretched


def _bbox(mask: Mask) -> Bbox:
    (rows,), (columns,) = np.nonzero(mask.any(1)), np.nonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _stroke_px(core: Mask) -> float:
    """Estimate a stroke's mean width as 2 · area / perimeter, in pixels of the mask."""
    padded = np.pad(core, 1)
    across = padded[:-1, 1:] ^ padded[:-1, :-1]
    along = padded[1:, :-1] ^ padded[:-1, :-1]
    # An edge that runs both ways within one pixel is a diagonal: √2, not 2.
    perimeter = across.sum() + along.sum() - (2 - 2**0.5) * (across & along).sum()
    return float(2 * core.sum() / perimeter)


def _thickened(ink: _Ink) -> Grey:
    if ink.stroke_px >= _HAIR_LINE_PX:
        return ink.grey
    grow = max(1, round((_PEN_PX - ink.stroke_px) / 2 * max(ink.grey.shape) / BOX))
    thick: Grey = ndimage.maximum_filter(np.pad(ink.grey, grow), 2 * grow + 1)
    return thick


def _boxed(digit: Grey) -> Grey:
    """Average over areas into a box whose longest side is 20; a digit of that size keeps its bits."""
    scale = BOX / max(digit.shape)
    height, width = (max(1, round(side * scale)) for side in digit.shape)
    boxed = _areas(digit.shape[0], height) @ digit @ _areas(digit.shape[1], width).T
    # Rounded up, so that the faintest tip still reaches the box's edge and a second pass changes nothing.
    raised: Grey = np.ceil(boxed - 0.01).astype(np.uint8)
    return raised


def _areas(n_in: int, n_out: int) -> npt.NDArray[np.float64]:  # (n_out, n_in)
    """Return the weights with which each output pixel averages the input pixels that it covers."""
    edges = np.linspace(0, n_in, n_out + 1)[:, None]
    pixels = np.arange(n_in)
    overlap = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    weights: npt.NDArray[np.float64] = np.maximum(overlap, 0) * (n_out / n_in)
    return weights


def _centred(boxed: Grey) -> Grey:
    """Place the box in the frame so that its mass centre rounds to index 14, as far as it stays inside."""
    centre = np.floor(np.array(ndimage.center_of_mass(boxed)) + 0.5)
    height, width = boxed.shape
    top, left = np.clip(CENTRE - centre, 0, [SIDE - height, SIDE - width]).astype(int)
    frame = np.zeros((SIDE, SIDE), np.uint8)
    frame[top : top + height, left : left + width] = boxed
    return frame
