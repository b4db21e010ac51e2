"""The schema of the receipt of an export."""

from typing import Literal

from models.specs.datasets import Dataset
from service.api.shared.schemas import EvaluatedCheckpoint


class ExportReceipt(EvaluatedCheckpoint):
    """How close the outputs of an exported net are to those of the service; it holds for every format."""

    dataset: Dataset
    """The data set that the net was trained on."""
    split: Literal["test"]
    """The images that outputs were compared on."""
    n: int
    """Number of images: the first of the split."""
    n_same_digit: int
    """Images for which both predict the same digit."""
    max_logit_difference: float
    """Largest absolute difference of a logit."""
    max_probability_difference: float
    """Largest absolute difference of a probability."""
    norms_left: dict[str, str]
    """By layer: the norms that depend on the input, which stay operators; all others are folded."""
    compared: str
    """What was compared with what."""
    links: dict[str, str]
    """Paths of the files."""
