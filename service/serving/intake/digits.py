"""Convert a grey picture of a digit to one like MNIST's; a picture that is like them is unchanged.

MNIST has light ink on black. The longest side of a digit is 20 pixels, in a
frame of 28, shifted by whole pixels so that its centre of mass is nearest to
index 14.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from service import errors
from service.serving.intake import ground, likeness, mnist
from service.serving.intake.ground import Polarity
from service.serving.intake.groups import Group
from service.serving.intake.masks import Bbox, Grey, Mask, bbox_of, dilated, level, stroke_px_of
from service.serving.intake.papers import paper_of, without_desk
from service.serving.intake.sight import LOOK_SIDE, Sight, is_cut_to_digit, real_ink_of, sights_of
from service.serving.intake.trims import trim_of

Treatment = Literal[
    "inverted", "flattened", "stretched", "despeckled", "unlined", "thickened", "resized", "centred"
]
IntakeWarning = Literal["no_ink", "several_parts", "touches_border"]

_SKIRT_PX = 2
_FULL_SHARE, _NOISE_SHARE = 0.8, 0.98
_EVEN_LEVELS = 8
_ZOOM_SHARE, _ZOOM_MARGIN = 0.4, 1.0


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
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Intake:
    """The picture that the net gets, and how it was made."""

    image: npt.NDArray[np.float32]  # (28, 28), 0 black to 1 ink
    report: IntakeReport
    strangeness: float = 0.0


def normalise(grey: Grey) -> Intake:  # (height, width)
    """Return the digit as MNIST would show it; raise `BlankImage` for a picture without ink."""
    if mnist.is_like_mnist(grey):
        report = IntakeReport("light_on_dark", (), bbox_of(grey > 0), round(stroke_px_of(grey > 127), 2), ())
        return Intake(unit(grey), report)
    small = _shrunk(grey)
    paper = paper_of(small)
    if paper is not None:
        sheet, box = without_desk(grey, paper)
        return _moved(_normalised(sheet), box)
    trim = trim_of(small)
    if not is_cut_to_digit(small) and trim != (0, 0, *small.shape[::-1]):
        scale = max(grey.shape) / max(small.shape)
        left, top, right, bottom = (round(edge * scale) for edge in trim)
        return _moved(_normalised(grey[top:bottom, left:right]), (left, top, right, bottom))
    return _normalised(grey, small)


def _normalised(grey: Grey, small: Grey | None = None) -> Intake:
    sights = sights_of(_shrunk(grey) if small is None else small)
    if not sights:
        raise errors.BlankImage("the picture has no ink: everything is about as light as its border")
    if len(sights) == 1:
        return _read(grey, sights[0])
    outer, inner = sorted(sights, key=lambda sight: sight.groups[0].spread, reverse=True)
    return _read(grey, real_ink_of(outer, inner))


def _read(grey: Grey, sight: Sight) -> Intake:
    group = sight.groups[0]
    scale = max(grey.shape) / max(sight.strong.shape)
    if scale > 1 and max(group.shape) < _ZOOM_SHARE * max(sight.strong.shape):
        box = _around(group.bbox, scale, grey.shape)
        closer = grey[box[1] : box[3], box[0] : box[2]]
        for each in sights_of(_shrunk(closer)):
            if each.polarity == sight.polarity:
                scale = max(closer.shape) / max(each.strong.shape)
                return _moved(_cut(closer, each, each.groups[0], len(sight.groups), scale), box)
    return _cut(grey, sight, group, len(sight.groups), scale)


def _around(bbox: Bbox, scale: float, shape: tuple[int, ...]) -> Bbox:
    left, top, right, bottom = (edge * scale for edge in bbox)
    margin = _ZOOM_MARGIN * max(right - left, bottom - top)
    return (
        max(0, int(left - margin)),
        max(0, int(top - margin)),
        min(shape[1], int(right + margin) + 1),
        min(shape[0], int(bottom + margin) + 1),
    )


def _moved(intake: Intake, by: Bbox) -> Intake:
    left, top, right, bottom = intake.report.bbox
    bbox = left + by[0], top + by[1], right + by[0], bottom + by[1]
    return replace(intake, report=replace(intake.report, bbox=bbox))


def _shrunk(grey: Grey) -> Grey:
    longest = max(grey.shape)
    if longest <= LOOK_SIDE:
        return grey
    size = [max(1, round(side * LOOK_SIDE / longest)) for side in grey.shape[::-1]]
    return np.asarray(Image.fromarray(np.ascontiguousarray(grey)).resize(size, Image.Resampling.BOX))


def _cut(grey: Grey, sight: Sight, group: Group, n_groups: int, scale: float) -> Intake:
    core_box = group.mask_box(sight.strong.shape, _SKIRT_PX + 1)
    core = group.mask(sight.parts.labels, core_box)
    near = dilated(core, 2 * _SKIRT_PX + 1, 2 * _SKIRT_PX + 1)
    rows, columns = core_box
    allowed = near & ~sight.erased[rows, columns]
    hi = tuple(
        slice(round(each.start * scale), min(side, round(each.stop * scale)))
        for each, side in zip(core_box, grey.shape, strict=True)
    )
    view = grey[hi]
    size = view.shape[::-1]
    base = _scaled(sight.base[core_box], size, Image.Resampling.BILINEAR)
    ink = ground.ink_of(view, base, sight.polarity)
    is_allowed = _scaled(allowed.view(np.uint8) * 255, size, Image.Resampling.BILINEAR) > 127
    is_core = _scaled(core.view(np.uint8) * 255, size, Image.Resampling.BILINEAR) > 127
    inked = ink[is_core]
    full = level(inked, _FULL_SHARE)
    floor = min(max(sight.quiet + sight.noise, 2 * _outside(ink, is_allowed)), 0.4 * full)
    is_ink = is_allowed & (ink > floor) | is_core & (ink > floor)
    if not is_ink.any():
        is_ink = is_core
    left, top, right, bottom = bbox_of(is_ink)
    digit = (ink * is_ink)[top:bottom, left:right]
    is_stretched = sight.quiet > 0 or full < mnist.FULL_INK
    if is_stretched:
        digit = _stretched(digit, sight.quiet, full)
    stroke_px = stroke_px_of(core) * scale * mnist.BOX / max(digit.shape)
    thick = mnist.thickened(digit, stroke_px)
    image = mnist.centred(mnist.boxed(thick))
    bbox = left + hi[1].start, top + hi[0].start, right + hi[1].start, bottom + hi[0].start
    done: dict[Treatment, bool] = {
        "inverted": sight.polarity == "dark_on_light",
        "flattened": bool(np.ptp(sight.base) >= _EVEN_LEVELS),
        "stretched": is_stretched,
        "despeckled": sight.parts.n_specks > 0,
        "unlined": bool(sight.erased.any()),
        "thickened": thick is not digit,
        "resized": max(thick.shape) != mnist.BOX,
        "centred": True,
    }
    warned = {
        "several_parts": group.n_large > 1 or n_groups > 1,
        "touches_border": bbox[0] == 0 or bbox[1] == 0 or bbox[2] == grey.shape[1] or bbox[3] == grey.shape[0],
    }
    distances, rest = likeness.of_mnist().distances(unit(image).reshape(1, -1))
    report = IntakeReport(
        sight.polarity,
        tuple(name for name, was_done in done.items() if was_done),
        bbox,
        round(stroke_px, 2),
        tuple(name for name, was_found in warned.items() if was_found),
    )
    return Intake(unit(image), report, float(distances.min() + 3 * rest[0]))


def _outside(ink: Grey, allowed: Mask) -> int:
    values = ink[~allowed & (ink > 0)]
    return level(values, _NOISE_SHARE) if values.size else 0


def _scaled(grey: Grey, size: tuple[int, int], how: Image.Resampling) -> Grey:
    if grey.shape[::-1] == size:
        return grey
    return np.asarray(Image.fromarray(np.ascontiguousarray(grey)).resize(size, how))


def _stretched(grey: Grey, quiet: float, full: float) -> Grey:
    levels = np.clip((np.arange(256) - quiet) * (255 / max(1, full - quiet)), 0, 255)
    stretched: Grey = levels.astype(np.uint8)[grey]
    return stretched


def unit(grey: Grey) -> npt.NDArray[np.float32]:
    """Return a grey picture as numbers from 0 to 1."""
    return grey.astype(np.float32) / np.float32(255)
