"""The connected parts of a picture's ink: which belong to one digit, which are specks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from service.serving.intake.masks import EIGHT_NEIGHBOURS, Labels, Mask

SPECK_SHARE, PART_SHARE = 0.03, 0.1
FEW_PARTS = 100

Boxes = npt.NDArray[np.intp]  # (parts, 4): left, top, right, bottom


@dataclass(frozen=True, eq=False)
class MaskParts:
    """The parts of a mask, the largest first."""

    mask: Mask
    labels: Labels
    names: npt.NDArray[np.intp]
    """The label of each part."""
    areas: npt.NDArray[np.intp]
    boxes: Boxes
    n_specks: int


def parts_of(mask: Mask, most: int = FEW_PARTS) -> MaskParts:
    """Find the largest parts of a mask that are no specks."""
    labels, n_parts = ndimage.label(mask, EIGHT_NEIGHBOURS)
    areas = np.bincount(labels.ravel(), minlength=n_parts + 1)
    areas[0] = 0
    names = np.argsort(-areas, kind="stable")[: min(n_parts, most)]
    least = max(1, (max(mask.shape) // 128) ** 2, SPECK_SHARE * areas.max())
    names = names[areas[names] >= least]
    found = ndimage.find_objects(labels)
    boxes = np.array(
        [
            (box[1].start, box[0].start, box[1].stop, box[0].stop)
            for box in (found[name - 1] for name in names)
        ],
        np.intp,
    ).reshape(-1, 4)
    return MaskParts(mask, labels, names, areas[names], boxes, n_parts - len(names))
