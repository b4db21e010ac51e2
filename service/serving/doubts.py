"""What speaks against an image being one whole digit of MNIST's kind.

The thresholds leave 97 of 100 digits of the validation split without a doubt; docs/science.md has the rates.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from models.specs.datasets import Dataset
from service.serving.intake import letters, likeness

if TYPE_CHECKING:
    from service.serving.intake.reports import Doubt

MESSAGES: "dict[Doubt, str]" = {
    "no_ink": "The image is empty.",
    "little_ink": "The ink is only a few pixels wide: a speck rather than a digit.",
    "several_digits": "The picture seems to have several digits; digits=many reads each.",
    "touches_border": "The ink reaches the border; a part of the digit may be missing.",
    "unlike_mnist": "The image is unlike the digits of MNIST.",
    "disputed": "By its likeness to the digits of MNIST the image is another digit.",
}

LIKE, REST, DISPUTED, ODD = 50.0, 22.5, 30.0, 10.0
_INK, _LEAST_MASS, _STRONG_INK = 0.1, 12.0, 0.4

Rows = npt.NDArray[np.float32]  # (rows, 784), 0 black to 1 ink


def doubts_of(
    dataset: Dataset, images: Rows, digits: Sequence[int], found: "Sequence[tuple[Doubt, ...]]"
) -> "list[list[Doubt]]":
    """Return the doubts of each image: those found in its picture, and those about the image itself.

    `digits` are what the net predicts. Likeness is measured for MNIST only.
    """
    all_doubts = [[*each] for each in found]
    mass = images.sum(1)
    for row, doubts in enumerate(all_doubts):
        if images[row].max() < _INK:
            doubts.append("no_ink")
        elif mass[row] < _LEAST_MASS and "little_ink" not in doubts:
            doubts.append("little_ink")
    if dataset == "mnist" and all_doubts:
        _add_likeness(all_doubts, images, np.asarray(digits))
    return all_doubts


def _add_likeness(all_doubts: "list[list[Doubt]]", images: Rows, digits: npt.NDArray[np.intp]) -> None:
    distances, rest = likeness.of_mnist().distances(images)
    nearest = distances.min(1)
    is_unlike = (nearest > LIKE) | (rest > REST) | letters.of_mnist().suspects(images)
    is_disputed = distances[np.arange(len(digits)), digits] - nearest > DISPUTED
    for row in np.flatnonzero(is_unlike | is_disputed):
        if not {"no_ink", "little_ink"} & {*all_doubts[row]}:
            all_doubts[row].append("unlike_mnist" if is_unlike[row] else "disputed")
    for row in np.flatnonzero(nearest > ODD):
        if "several_digits" not in all_doubts[row] and _has_several_digits(images[row]):
            all_doubts[row].append("several_digits")


def _has_several_digits(image: Rows) -> bool:  # (784,)
    from service.serving.intake.groups import groups_of  # noqa: PLC0415 # scipy takes half a second
    from service.serving.intake.parts import parts_of  # noqa: PLC0415

    return len(groups_of(parts_of(image.reshape(28, 28) > _STRONG_INK))) > 1
