"""The schemas of data sets and their images."""

from models.specs.datasets import SplitName
from service.api.shared.schemas import Out


class DatasetDetails(Out):
    """A data set: its classes, its source, and whether it is on this machine."""

    name: str
    """Name of the data set in a spec."""
    title: str
    """Its name and contents."""
    classes: list[str]
    """The meaning of each label, starting at 0."""
    counts: dict[SplitName, int]
    """Number of images in each split."""
    image_shape: list[int]
    """Rows and columns of each image."""
    sha256: dict[str, str] | None
    """The digest of each published file; null if the data set is not on this machine."""
    licence: str
    """Licence of the images."""
    source: str
    """Who published it, and where it is described."""
    home_page: str
    """Address of its home page."""
    available: bool
    """Whether it is on this machine; if not, the first job that trains on it downloads it."""


class DatasetList(Out):
    """All data sets."""

    items: list[DatasetDetails]
    """All data sets."""
    next_cursor: None
    """Null: the list has one page."""


class DatasetImage(Out):
    """An image of a data set with its label; pixels are 28 rows of 28 numbers from 0 to 255."""

    dataset: str
    """Name of the data set."""
    split: SplitName
    """Split that the image belongs to."""
    index: int
    """Place of the image in its split, from 0."""
    label: int
    """Class of the image, from 0 to 9."""
    class_name: str
    """Meaning of the label."""
    pixels: list[list[int]]
    """28 rows of 28 numbers from 0 (background) to 255 (ink)."""
    links: dict[str, str]
    """Paths of this image, of its PNG, and of the data sets."""
