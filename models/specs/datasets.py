"""Facts about the data sets: classes, number of images, licence and source."""

from dataclasses import dataclass
from typing import Literal

Dataset = Literal["mnist", "fashion_mnist", "kmnist"]
SplitName = Literal["train", "validation", "test"]

SIDE = 28
"""Height and width of every image, in pixels."""
COUNTS: dict[SplitName, int] = {"train": 55_000, "validation": 5_000, "test": 10_000}
"""Images per split, the same for every data set."""


@dataclass(frozen=True)
class DatasetFacts:
    """Facts about one data set; each has ten classes of 28×28 greyscale images."""

    title: str
    classes: tuple[str, ...]
    """The names of the classes, in the order of their labels from 0."""
    n_most_frequent: int
    """Test images of the most frequent class."""
    licence: str
    source: str
    home_page: str


DATASETS: dict[Dataset, DatasetFacts] = {
    "mnist": DatasetFacts(
        title="MNIST: handwritten digits",
        classes=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
        n_most_frequent=1_135,
        licence="CC BY-SA 3.0",
        source="LeCun, Cortes & Burges, The MNIST database of handwritten digits",
        home_page="http://yann.lecun.com/exdb/mnist/",
    ),
    "fashion_mnist": DatasetFacts(
        title="Fashion-MNIST: articles of clothing",
        classes=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        n_most_frequent=1_000,
        licence="MIT",
        source="Xiao, Rasul & Vollgraf 2017, arXiv 1708.07747",
        home_page="https://github.com/zalandoresearch/fashion-mnist",
    ),
    "kmnist": DatasetFacts(
        title="Kuzushiji-MNIST: cursive Japanese characters",
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        n_most_frequent=1_000,
        licence="CC BY-SA 4.0",
        source="KMNIST Dataset (created by CODH), adapted from Kuzushiji Dataset (created by NIJL and "
        "others), doi 10.20676/00000341; Clanuwat et al. 2018, arXiv 1812.01718",
        home_page="https://github.com/rois-codh/kmnist",
    ),
}
