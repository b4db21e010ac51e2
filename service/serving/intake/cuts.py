"""A digit cut out of its picture and brought to MNIST's form."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.serving.intake import ground, mnist
from service.serving.intake.groups import Group
from service.serving.intake.masks import Bbox, Grey, bbox_of, dilated, level, stroke_px_of
from service.serving.intake.reports import Doubt, Intake, IntakeReport, IntakeWarning, Treatment
from service.serving.intake.sight import Sight

Fact = TypeVar("Fact", bound=str)

_SKIRT_PX = 2
_FULL_SHARE, _NOISE_SHARE, _HIGHEST_FLOOR = 0.8, 0.98, 0.4
_EVEN_LEVELS = 8
_LEAST_PX = 7


@dataclass(frozen=True, eq=False)
class _Ink:
    """The ink of one digit at full scale."""

    grey: Grey
    """0 except where there is ink."""
    bbox: Bbox
    stroke_px: float
    is_stretched: bool


def cut(grey: Grey, sight: Sight, group: Group, n_digits: int = 1) -> Intake:
    """Return a group of parts as MNIST would show it.

    The grey picture may be larger than what the sight saw. `n_digits` is how many digits it seems to have.
    """
    ink = _ink_of(grey, sight, group)
    thick = mnist.thickened(ink.grey, ink.stroke_px)
    image = mnist.centred(mnist.boxed(thick))
    done: dict[Treatment, bool] = {
        "inverted": sight.polarity == "dark_on_light",
        "flattened": bool(np.ptp(sight.base) >= _EVEN_LEVELS),
        "unlined": bool(sight.erased.any()),
        "stretched": ink.is_stretched,
        "despeckled": sight.parts.n_specks > 0,
        "thickened": thick is not ink.grey,
        "resized": max(thick.shape) != mnist.BOX,
        "centred": True,
    }
    left, top, right, bottom = ink.bbox
    is_at_rim = left == 0 or top == 0 or right == grey.shape[1] or bottom == grey.shape[0]
    warned: dict[IntakeWarning, bool] = {
        "several_parts": group.n_large > 1 or n_digits > 1,
        "touches_border": is_at_rim,
    }
    doubted: dict[Doubt, bool] = {
        "little_ink": max(right - left, bottom - top) < _LEAST_PX,
        "several_digits": n_digits > 1,
        "touches_border": is_at_rim and not sight.is_cut_to_digit,
    }
    report = IntakeReport(sight.polarity, _true(done), ink.bbox, round(ink.stroke_px, 2), _true(warned))
    return Intake(unit(image), report, _true(doubted))


def _true(facts: dict[Fact, bool]) -> tuple[Fact, ...]:
    return tuple(name for name, is_true in facts.items() if is_true)


def _ink_of(grey: Grey, sight: Sight, group: Group) -> _Ink:
    box = group.mask_box(sight.strong.shape, _SKIRT_PX + 1)
    core = group.mask(sight.parts.labels, box)
    allowed = dilated(core, 2 * _SKIRT_PX + 1, 2 * _SKIRT_PX + 1) & ~sight.erased[box]
    scale = max(grey.shape) / max(sight.strong.shape)
    rows, columns = (
        slice(round(each.start * scale), min(side, round(each.stop * scale)))
        for each, side in zip(box, grey.shape, strict=True)
    )
    view = grey[rows, columns]
    inked = ground.ink_of(view, _scaled(sight.base[box], view), sight.polarity)
    is_allowed, is_core = (_scaled(mask.view(np.uint8) * 255, view) > 127 for mask in (allowed, core))
    full = level(inked[is_core], _FULL_SHARE)
    # JPEG has ringing around a stroke, stronger within the skirt than outside.
    ringing = 2 * level(inked[~is_allowed & (inked > 0)], _NOISE_SHARE)
    is_ink = is_allowed & (inked > min(max(sight.quiet + sight.noise, ringing), _HIGHEST_FLOOR * full))
    left, top, right, bottom = bbox_of(is_ink if is_ink.any() else is_core)
    digit = (inked * is_ink)[top:bottom, left:right]
    is_stretched = sight.quiet > 0 or full < mnist.FULL_INK
    return _Ink(
        _stretched(digit, sight.quiet, full) if is_stretched else digit,
        (left + columns.start, top + rows.start, right + columns.start, bottom + rows.start),
        stroke_px_of(core) * scale * mnist.BOX / max(digit.shape),
        is_stretched,
    )


def _scaled(grey: Grey, like: Grey) -> Grey:
    if grey.shape == like.shape:
        return grey
    image = Image.fromarray(np.ascontiguousarray(grey))
    return np.asarray(image.resize(like.shape[::-1], Image.Resampling.BILINEAR))


def _stretched(grey: Grey, quiet: float, full: float) -> Grey:
    levels = np.clip((np.arange(256) - quiet) * (255 / max(1, full - quiet)), 0, 255)
    stretched: Grey = levels.astype(np.uint8)[grey]
    return stretched


def unit(grey: Grey) -> npt.NDArray[np.float32]:
    """Return a grey picture as numbers from 0 to 1."""
    return grey.astype(np.float32) / np.float32(255)
