"""Convert a grey picture of digits to images like MNIST's; a picture that is like them is unchanged.

The picture comes from service/serving/pictures.py; the steps are in papers.py, sight.py, cuts.py and
mnist.py. MNIST has light ink on black. The longest side of a digit is 20 pixels, in a frame of 28, shifted by
whole pixels so that its centre of mass is nearest to index 14.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from service import errors
from service.serving.intake import mnist
from service.serving.intake.cuts import cut, unit
from service.serving.intake.groups import in_reading_order
from service.serving.intake.masks import Bbox, Grey, bbox_of, stroke_px_of
from service.serving.intake.papers import paper_of, without_desk
from service.serving.intake.parts import FEW_PARTS
from service.serving.intake.reports import Intake, IntakeReport
from service.serving.intake.sight import Sight, is_cut_to_digit, real_ink_of, sights_of
from service.serving.intake.trims import trim_of

LOOK_SIDE, LOOK_SIDE_OF_MANY = 144, 576
_ZOOM_SHARE, _ZOOM_MARGIN = 0.4, 1.0


def normalise(grey: Grey) -> Intake:  # (height, width)
    """Return the digit as MNIST would show it; raise `BlankImage` for a picture without ink."""
    if mnist.is_like_mnist(grey):
        return _unchanged(grey)
    sheet, place = _sheet_of(grey, LOOK_SIDE)
    sight = _sight_of(sheet, LOOK_SIDE)
    group, n_digits = sight.groups[0], len(sight.groups)
    if sheet.shape[0] > sight.strong.shape[0] and max(group.shape) < _ZOOM_SHARE * max(sight.strong.shape):
        box = _around(group.bbox, max(sheet.shape) / max(sight.strong.shape), sheet.shape)
        closer = sheet[box[1] : box[3], box[0] : box[2]]
        for each in sights_of(_shrunk(closer, LOOK_SIDE)):
            if each.polarity == sight.polarity:
                return _moved(_moved(cut(closer, each, each.groups[0], n_digits), box), place)
    return _moved(cut(sheet, sight, group, n_digits), place)


def normalise_all(grey: Grey, most: int) -> list[Intake]:  # (height, width)
    """Return the digits of a picture, row by row, each from left to right, as MNIST would show them.

    Raises `BlankImage` for a picture without ink and `TooManyDigits` above `most`.
    """
    if mnist.is_like_mnist(grey):
        return [_unchanged(grey)]
    sheet, place = _sheet_of(grey, LOOK_SIDE_OF_MANY)
    sight = _sight_of(sheet, LOOK_SIDE_OF_MANY, most + FEW_PARTS)
    if len(sight.groups) > most:
        raise errors.TooManyDigits(f"the pictures of a request may have at most {most} digits")
    return [_moved(cut(sheet, sight, group), place) for group in in_reading_order(sight.groups)]


def _unchanged(grey: Grey) -> Intake:
    stroke_px = stroke_px_of(grey > grey.max() // 2)
    return Intake(unit(grey), IntakeReport("light_on_dark", (), bbox_of(grey > 0), round(stroke_px, 2), ()))


def _sheet_of(grey: Grey, look_side: int) -> tuple[Grey, Bbox]:
    """Return the part of the picture that has the ink, without a desk and straight edges, and its place."""
    small = _shrunk(grey, look_side)
    whole = (0, 0, grey.shape[1], grey.shape[0])
    paper = paper_of(small)
    if paper is not None:
        return without_desk(grey, paper)
    trim = trim_of(small)
    if trim == (0, 0, small.shape[1], small.shape[0]) or is_cut_to_digit(small):
        return grey, whole
    scale = max(grey.shape) / max(small.shape)
    left, top, right, bottom = (round(edge * scale) for edge in trim)
    return grey[top:bottom, left:right], (left, top, right, bottom)


def _sight_of(sheet: Grey, look_side: int, most_parts: int = FEW_PARTS) -> Sight:
    sights = sights_of(_shrunk(sheet, look_side), most_parts)
    if not sights:
        raise errors.BlankImage("the picture has no ink: everything is about as light as its border")
    if len(sights) == 1:
        return sights[0]
    return real_ink_of(*sorted(sights, key=lambda sight: -sight.groups[0].spread))


def _shrunk(grey: Grey, look_side: int) -> Grey:
    longest = max(grey.shape)
    if longest <= look_side:
        return grey
    size = [max(1, round(side * look_side / longest)) for side in grey.shape[::-1]]
    return np.asarray(Image.fromarray(np.ascontiguousarray(grey)).resize(size, Image.Resampling.BOX))


def _around(bbox: Bbox, scale: float, shape: Sequence[int]) -> Bbox:
    left, top, right, bottom = (edge * scale for edge in bbox)
    margin = _ZOOM_MARGIN * max(right - left, bottom - top)
    return (
        max(0, int(left - margin)),
        max(0, int(top - margin)),
        min(shape[1], int(right + margin) + 1),
        min(shape[0], int(bottom + margin) + 1),
    )


def _moved(intake: Intake, place: Bbox) -> Intake:
    """Return an intake with its box in the picture of which this place was read."""
    if place[:2] == (0, 0):
        return intake
    left, top, right, bottom = intake.report.bbox
    bbox = left + place[0], top + place[1], right + place[0], bottom + place[1]
    return replace(intake, report=replace(intake.report, bbox=bbox))
