"""The schemas of data sets and their images."""

from models.specs.datasets import SplitName
from service.api.shared.schemas import Out


class DatasetDetails(Out):
    """A data set: its classes, its source, and whether it is on this machine."""

    name: str
    title: str
    classes: list[str]
    """The meaning of each label, starting at 0."""
    counts: dict[SplitName, int]
    image_shape: list[int]
    sha256: dict[str, str] | None
    """The digest of each published file; null if the data set is not on this machine."""
    licence: str
    source: str
    home_page: str
    available: bool
    """Whether it is on this machine; if not, the first job that trains on it downloads it."""


class DatasetList(Out):
    """All data sets."""

    items: list[DatasetDetails]
    next_cursor: None


class DatasetImage(Out):
    """An image of a data set with its label; pixels are 28 rows of 28 numbers from 0 to 255."""

    dataset: str
    split: SplitName
    index: int
    label: int
    class_name: str
    pixels: list[list[int]]
    links: dict[str, str]
