"""The files of a data set, in torch; imported with the first image, because torch takes a second."""

from pathlib import Path

from models.data.digits import read_originals
from models.data.originals import DOWNLOADED, DatasetUnavailable, Originals
from models.specs.datasets import Dataset
from service import errors


def read(dataset: Dataset, folder: Path) -> Originals:
    """Read and verify a data set; raise DatasetUnavailable if this machine does not have it."""
    try:
        return read_originals(dataset, folder)
    except DatasetUnavailable as error:
        cure = "; the next job that trains on it downloads it" if dataset in DOWNLOADED else ""
        raise errors.DatasetUnavailable(f"{error}{cure}") from error
