"""Parts of ink grouped to digits: a small part goes to the nearest large one."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.serving.intake.masks import Bbox, Labels, Mask
from service.serving.intake.parts import PART_SHARE, MaskParts

_SEED_HEIGHT, _SEED_AREA = 0.45, 0.1
_NEAR_SHARE, _GAP_SHARE = 0.35, 0.1
_WIDEST, _TALLEST, _STACKED = 1.1, 2.2, 0.25
_ROW_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Group:
    """The parts of one digit."""

    names: npt.NDArray[np.intp]
    bbox: Bbox
    area: int
    n_large: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        left, top, right, bottom = self.bbox
        return bottom - top, right - left

    @property
    def spread(self) -> int:
        """Height times width."""
        return self.shape[0] * self.shape[1]

    def mask_box(self, shape: tuple[int, ...], margin: int) -> tuple[slice, slice]:
        """Return the place of the group and a margin in a picture of this shape."""
        left, top, right, bottom = self.bbox
        return (
            slice(max(0, top - margin), min(shape[0], bottom + margin)),
            slice(max(0, left - margin), min(shape[1], right + margin)),
        )

    def mask(self, labels: Labels, place: tuple[slice, slice]) -> Mask:
        """Return where the group is within a place."""
        mask: Mask = np.isin(labels[place], self.names)
        return mask


def groups_of(parts: MaskParts) -> list[Group]:
    """Group parts to digits, the largest first."""
    if parts.names.size <= 1:
        return [_group(parts, place) for place in np.arange(parts.names.size)[:, None]]
    boxes, areas = parts.boxes, parts.areas
    spans = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    is_seed = (spans >= _SEED_HEIGHT * spans[0]) & (areas >= _SEED_AREA * areas[0])
    owners = _owners(boxes, spans, is_seed)
    groups = [_group(parts, np.flatnonzero(owners == owner)) for owner in np.unique(owners[owners >= 0])]
    return sorted(groups, key=lambda group: -group.area)


def _owners(boxes: npt.NDArray[np.intp], spans: npt.NDArray[np.intp], is_seed: Mask) -> npt.NDArray[np.intp]:
    """Return the seed that each part belongs to; −1 for what is near none."""
    gaps = _gaps(boxes)
    seeds = np.flatnonzero(is_seed)
    owners = np.arange(len(boxes))
    near = np.tril(gaps[np.ix_(seeds, seeds)] <= _GAP_SHARE * spans[seeds].max(), -1)
    for one, other in seeds[np.argwhere(near)]:
        if _is_one_digit(boxes[[one, other]], gaps[one, other], max(spans[one], spans[other])):
            owners[owners == owners[one]] = owners[other]
    rest = np.flatnonzero(~is_seed)
    nearest = seeds[gaps[np.ix_(rest, seeds)].argmin(1)]
    is_near = gaps[rest, nearest] <= _NEAR_SHARE * spans[nearest]
    owners[rest] = np.where(is_near, owners[nearest], -1)
    return owners


def _gaps(boxes: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:  # (parts, parts)
    left, top, right, bottom = boxes.T.astype(np.int32)
    across = np.maximum(left[:, None] - right, left - right[:, None])
    along = np.maximum(top[:, None] - bottom, top - bottom[:, None])
    gaps: npt.NDArray[np.int32] = np.maximum(np.maximum(across, along), 0)
    return gaps


def _is_one_digit(pair: npt.NDArray[np.intp], gap: int, span: int) -> bool:
    """Return whether two large parts are pieces of one digit, such as the bar of a 5 beside its body."""
    (left, top), (right, bottom) = pair[:, :2].min(0), pair[:, 2:].max(0)
    shared = pair[:, 2].min() - pair[:, 0].max()
    narrower = (pair[:, 2] - pair[:, 0]).min()
    if gap > _GAP_SHARE * span or bottom - top > _TALLEST * span:
        return False
    return bool(right - left <= _WIDEST * (bottom - top) or shared >= _STACKED * narrower)


def _group(parts: MaskParts, places: npt.NDArray[np.intp]) -> Group:
    boxes = parts.boxes[places]
    left, top = boxes[:, :2].min(0)
    right, bottom = boxes[:, 2:].max(0)
    areas = parts.areas[places]
    n_large = int(np.count_nonzero(areas >= PART_SHARE * areas.max()))
    return Group(
        parts.names[places], (int(left), int(top), int(right), int(bottom)), int(areas.sum()), n_large
    )


def in_reading_order(groups: list[Group]) -> list[Group]:
    """Return groups row by row from the top, each row from left to right."""
    middles = np.array([(group.bbox[1] + group.bbox[3]) / 2 for group in groups])
    order = np.argsort(middles, kind="stable")
    height = np.median([group.shape[0] for group in groups])
    rows = np.zeros(len(groups), np.intp)
    rows[order[1:]] = np.cumsum(np.diff(middles[order]) > _ROW_SHARE * height)
    places = sorted(range(len(groups)), key=lambda place: (rows[place], groups[place].bbox[0]))
    return [groups[place] for place in places]
