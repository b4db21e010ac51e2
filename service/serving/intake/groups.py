"""Parts of ink grouped to digits: a small part goes to the nearest large one."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.serving.intake.masks import Bbox, Labels, Mask
from service.serving.intake.parts import PART_SHARE, SPECK_SHARE, Parts

_SEED_HEIGHT, _SEED_AREA = 0.45, 0.15
_NEAR_SHARE, _GAP_SHARE = 0.35, 0.1
_WIDEST = 0.9
_HELD_SHARE = 0.8


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

    def holds(self, other: "Group") -> bool:
        """Return whether most of the other's box lies in this one's."""
        left, top = (max(self.bbox[edge], other.bbox[edge]) for edge in (0, 1))
        right, bottom = (min(self.bbox[edge], other.bbox[edge]) for edge in (2, 3))
        return max(0, right - left) * max(0, bottom - top) >= _HELD_SHARE * other.spread

    def mask_box(self, shape: tuple[int, ...], margin: int) -> tuple[slice, slice]:
        """Return the place of the group and a margin in a picture of this shape."""
        left, top, right, bottom = self.bbox
        return (
            slice(max(0, top - margin), min(shape[0], bottom + margin)),
            slice(max(0, left - margin), min(shape[1], right + margin)),
        )

    def mask(self, labels: Labels, place: tuple[slice, slice]) -> Mask:
        """Return where the group is within a place."""
        return np.isin(labels[place], self.names)


def groups_of(parts: Parts) -> list[Group]:
    """Group parts to digits, the largest first."""
    if not parts.names.size:
        return []
    is_part = parts.areas >= SPECK_SHARE * parts.areas[0]
    boxes, areas = parts.boxes[is_part], parts.areas[is_part]
    spans = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    is_seed = (spans >= _SEED_HEIGHT * spans[0]) & (areas >= _SEED_AREA * areas[0])
    owners = _owners(boxes, spans, is_seed)
    groups = [
        _group(parts, np.flatnonzero(is_part)[owners == owner], owner) for owner in np.unique(owners[owners >= 0])
    ]
    return sorted(groups, key=lambda group: -group.area)


def _owners(boxes: npt.NDArray[np.intp], spans: npt.NDArray[np.intp], is_seed: Mask) -> npt.NDArray[np.intp]:
    """Return the seed that each part belongs to; −1 for what is near none."""
    gaps = _gaps(boxes)
    seeds = np.flatnonzero(is_seed)
    owners = np.arange(len(boxes))
    for place, seed in enumerate(seeds):
        for other in seeds[:place]:
            if _is_one_digit(boxes[[seed, other]], gaps[seed, other], max(spans[seed], spans[other])):
                owners[owners == owners[seed]] = owners[other]
                break
    for part in np.flatnonzero(~is_seed):
        nearest = seeds[np.argmin(gaps[part, seeds])]
        is_near = gaps[part, nearest] <= _NEAR_SHARE * spans[nearest]
        owners[part] = owners[nearest] if is_near else -1
    return owners


def _gaps(boxes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:  # (parts, parts)
    left, top, right, bottom = boxes.T
    across = np.maximum(left[:, None] - right, left - right[:, None])
    along = np.maximum(top[:, None] - bottom, top - bottom[:, None])
    return np.maximum(np.maximum(across, along), 0)


def _is_one_digit(pair: npt.NDArray[np.intp], gap: int, span: int) -> bool:
    width = pair[:, 2].max() - pair[:, 0].min()
    height = pair[:, 3].max() - pair[:, 1].min()
    return bool(gap <= _GAP_SHARE * span and width <= max(_WIDEST * height, span) and height <= 1.5 * span)


def _group(parts: Parts, places: npt.NDArray[np.intp], owner: int) -> Group:
    boxes = parts.boxes[places]
    left, top = boxes[:, :2].min(0)
    right, bottom = boxes[:, 2:].max(0)
    areas = parts.areas[places]
    n_large = int(np.count_nonzero(areas >= PART_SHARE * areas.max()))
    return Group(
        parts.names[places], (int(left), int(top), int(right), int(bottom)), int(areas.sum()), n_large
    )
