"""What an intake returns: the image for the net, what was done, and what speaks against a digit."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from service.serving.intake.ground import Polarity
from service.serving.intake.masks import Bbox

Treatment = Literal[
    "inverted",
    "cropped",
    "flattened",
    "unlined",
    "stretched",
    "despeckled",
    "thickened",
    "resized",
    "centred",
]
IntakeWarning = Literal["no_ink", "several_parts", "touches_border"]
Doubt = Literal["no_ink", "little_ink", "several_digits", "touches_border", "unlike_mnist", "disputed"]


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
    doubts: tuple[Doubt, ...] = ()
    """What the picture shows against one whole digit; the image itself may show more."""
