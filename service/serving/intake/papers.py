"""A light paper on a dark desk: the desk is painted over with the paper's level."""

import numpy as np
from scipy import ndimage

from service.serving.intake.masks import Bbox, Grey, Mask, bbox_of, eroded, otsu

_DARK_RIM, _LEAST_AREA, _RECTANGLE, _LEAST_INK, _MOST_INK = 0.55, 0.08, 0.88, 0.008, 0.45
_LEAST_SPREAD = 40
_ANGLES = np.deg2rad(np.arange(0, 90, 3))


def paper_of(grey: Grey) -> Mask | None:
    """Return where a paper with ink on it lies on a darker desk; None for other pictures.

    A paper is light, nearly a rectangle at any angle, and encloses something dark. So is no digit: even a 0
    fills only four fifths of the rectangle around it.
    """
    if int(grey.max()) - int(grey.min()) < _LEAST_SPREAD:
        return None
    light = grey > otsu(grey)
    rim = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    if rim.mean() > 1 - _DARK_RIM:
        return None
    labels, n_parts = ndimage.label(light)
    areas = np.bincount(labels.ravel(), minlength=n_parts + 1)[1:]
    if areas.max() < _LEAST_AREA * light.size:
        return None
    paper = labels == 1 + np.argmax(areas)
    filled = _filled(paper)
    area = np.count_nonzero(filled)
    ink = 1 - np.count_nonzero(paper) / area
    if not _LEAST_INK < ink < _MOST_INK or area < _RECTANGLE * _rectangle_around(filled):
        return None
    margin = 2 + max(grey.shape) // 64
    inside = eroded(np.pad(filled, margin), 2 * margin + 1, 2 * margin + 1)[margin:-margin, margin:-margin]
    return inside if inside.any() else None


def _filled(mask: Mask) -> Mask:
    """Fill each row between its ends, and of that only what each column has between its ends too."""
    return _between(mask) & _between(mask.T).T


def _between(mask: Mask) -> Mask:
    after = np.logical_or.accumulate(mask, 1)
    before = np.logical_or.accumulate(mask[:, ::-1], 1)[:, ::-1]
    between: Mask = after & before
    return between


def _rectangle_around(mask: Mask) -> float:
    """Return the area of the smallest rectangle around a mask, at multiples of 3 degrees."""
    rows = np.flatnonzero(mask.any(1))
    ends = mask[rows]
    lefts, rights = ends.argmax(1), mask.shape[1] - ends[:, ::-1].argmax(1)
    points = np.concatenate(
        [
            np.stack([rows, lefts]),
            np.stack([rows + 1, lefts]),
            np.stack([rows, rights]),
            np.stack([rows + 1, rights]),
        ],
        1,
    )  # (2, points)
    turned = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1) @ points
    across = np.stack([-np.sin(_ANGLES), np.cos(_ANGLES)], 1) @ points
    sides = np.ptp(turned, 1) * np.ptp(across, 1)
    return float(sides.min())


def without_desk(grey: Grey, paper: Mask) -> tuple[Grey, Bbox]:
    """Return the part of a picture with the paper, what is beside it painted over, and where it was."""
    if paper.shape != grey.shape:
        scale = [high / low for high, low in zip(grey.shape, paper.shape, strict=True)]
        rows, columns = (
            np.minimum((np.arange(high) / factor).astype(int), low - 1)
            for high, factor, low in zip(grey.shape, scale, paper.shape, strict=True)
        )
        paper = paper[rows[:, None], columns]
    left, top, right, bottom = box = bbox_of(paper)
    level = np.uint8(np.median(grey[paper]))
    return np.where(paper, grey, level)[top:bottom, left:right], box
