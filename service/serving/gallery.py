"""The images of the data sets on this machine, as they were published; it downloads nothing."""

import io
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache
from PIL import Image

from models.specs.datasets import Dataset, SplitName
from service.errors import DatasetUnavailable

if TYPE_CHECKING:
    from models.data.originals import Originals

DATASETS_IN_MEMORY = 2  # 55 MB each


class Gallery:
    """The data sets in memory: each is read and verified with its first image, and two are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: MutableMapping[Dataset, Originals] = LRUCache(DATASETS_IN_MEMORY)
        self._sums: dict[Dataset, dict[str, str]] = {}
        self._lock = Lock()

    def sums(self, dataset: Dataset) -> dict[str, str] | None:
        """Return the sha256 of each file of a data set; None if this machine cannot read it."""
        if dataset not in self._sums:
            try:
                self._sums[dataset] = self.originals(dataset).sums
            except DatasetUnavailable:
                return None
        return self._sums[dataset]

    def image(
        self, dataset: Dataset, split: SplitName, index: int
    ) -> tuple[npt.NDArray[np.uint8], int]:  # (28, 28)
        """Return an image and its label; raise DatasetUnavailable if it cannot be read here."""
        images, labels = self.originals(dataset).splits()[split]
        return images[index].numpy(), int(labels[index])

    def originals(self, dataset: Dataset) -> "Originals":
        """Return the files of a data set; raise DatasetUnavailable if they cannot be read here."""
        from service.serving import originals  # noqa: PLC0415 # torch takes a second

        with self._lock:  # a second reader waits for the first and does not read the files again
            found = self._kept.get(dataset)
            if found is None:
                found = self._kept[dataset] = originals.read(dataset, self._folder)
            return found


def to_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Write an image as a PNG with 8 bits of grey."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def png_of_unit(rows: Sequence[Sequence[float]]) -> bytes:
    """Write an image of numbers from 0 to 1 as a PNG with 8 bits of grey."""
    return to_png((np.array(rows) * 255).round().astype(np.uint8))
