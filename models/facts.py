"""The facts of each norm and data set: what a reader should know before choosing one."""

from dataclasses import dataclass
from typing import Literal

Norm = Literal["none", "weight", "weight_mean_only_batch", "batch", "layer", "rms", "group"]
Scope = Literal["hidden", "all"]
Dataset = Literal["mnist", "fashion_mnist", "kmnist"]
SplitName = Literal["train", "validation", "test"]

WEIGHT_NORMS: tuple[Norm, ...] = ("weight", "weight_mean_only_batch")
BATCH_NORMS: tuple[Norm, ...] = ("batch", "weight_mean_only_batch")
COUNTS: dict[SplitName, int] = {"train": 55_000, "validation": 5_000, "test": 10_000}
"""Images of each split, the same for every data set."""


@dataclass(frozen=True)
class NormFacts:
    """What a reader should know of a norm before choosing it."""

    title: str
    formula: str
    parameters_per_unit: int
    running_per_unit: int
    """Running statistics, which are kept and not trained."""
    scope: Scope
    """The layers that it normalises by default."""
    init: str
    traps: tuple[str, ...]
    source: str


NORMS: dict[Norm, NormFacts] = {
    "none": NormFacts(
        title="No normalisation",
        formula="z = x W + b",
        parameters_per_unit=1,
        running_per_unit=0,
        scope="hidden",
        init="each column of W is scaled and b set so that z has mean 0 and deviation 1 on the first batch; "
        "the outcome no longer depends on weight_std",
        traps=("without init the start depends on weight_std",),
        source="the plain affine layer",
    ),
    "weight": NormFacts(
        title="Weight Normalization",
        formula="t = x v / ‖v‖;  z = g t + b",
        parameters_per_unit=2,
        running_per_unit=0,
        scope="all",
        init="g and b are set from the first batch (equations 5 and 6 of the paper); v is untouched",
        traps=(
            "without init it starts as exactly the un-normalised net (g = ‖v‖)",
            "the effective step grows with learning_rate / ‖v‖²: a small weight_std is unstable with init",
        ),
        source="Salimans & Kingma 2016, arXiv 1602.07868",
    ),
    "weight_mean_only_batch": NormFacts(
        title="Weight Normalization with mean-only batch normalisation",
        formula="s = g x v / ‖v‖;  z = s − mean_batch(s) + b",
        parameters_per_unit=2,
        running_per_unit=1,
        scope="all",
        init="g is set from the first batch, b stays 0, and the running mean starts at the batch's own",
        traps=("training needs at least 2 rows a batch",),
        source="Salimans & Kingma 2016, arXiv 1602.07868, section 2.3",
    ),
    "batch": NormFacts(
        title="Batch Normalization",
        formula="u = (a − mean_batch) / √(var_batch + ε);  z = γ u + β",
        parameters_per_unit=2,
        running_per_unit=2,
        scope="hidden",
        init="γ and β by the general rule (close to 1 and 0); running statistics start at the batch's own",
        traps=(
            "training needs at least 2 rows a batch",
            "predictions use running statistics, never the other rows of the request",
        ),
        source="Ioffe & Szegedy 2015, arXiv 1502.03167",
    ),
    "layer": NormFacts(
        title="Layer Normalization",
        formula="u = (a − mean_row) / √(var_row + ε);  z = γ u + β",
        parameters_per_unit=2,
        running_per_unit=0,
        scope="hidden",
        init="γ and β are set per unit from the first batch: a real change",
        traps=("the statistics are over the units of one row: differences between units in scale remain",),
        source="Ba, Kiros & Hinton 2016, arXiv 1607.06450",
    ),
    "rms": NormFacts(
        title="RMS normalisation",
        formula="u = a / √(mean_row(a²) + ε);  z = γ u + β",
        parameters_per_unit=2,
        running_per_unit=0,
        scope="hidden",
        init="γ and β are set per unit from the first batch: a real change",
        traps=("unlike Layer Normalization, a vector added to every column of W matters",),
        source="Zhang & Sennrich 2019, arXiv 1910.07467",
    ),
    "group": NormFacts(
        title="Group Normalization",
        formula="as Layer Normalization, inside each of G contiguous groups of units;  z = γ u + β",
        parameters_per_unit=2,
        running_per_unit=0,
        scope="hidden",
        init="γ and β are set per unit from the first batch: a real change",
        traps=("a group of 1 unit would always be 0 and is refused; a group of 2 is always ±1",),
        source="Wu & He 2018, arXiv 1803.08494",
    ),
}


@dataclass(frozen=True)
class DatasetFacts:
    """What a reader should know of a data set: all of them have ten classes of 28×28 grey images."""

    title: str
    classes: tuple[str, ...]
    """What each label means, from 0 on."""
    licence: str
    source: str
    home_page: str


DATASETS: dict[Dataset, DatasetFacts] = {
    "mnist": DatasetFacts(
        title="MNIST: handwritten digits",
        classes=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
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
        licence="MIT",
        source="Xiao, Rasul & Vollgraf 2017, arXiv 1708.07747",
        home_page="https://github.com/zalandoresearch/fashion-mnist",
    ),
    "kmnist": DatasetFacts(
        title="Kuzushiji-MNIST: cursive Japanese characters",
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        licence="CC BY-SA 4.0",
        source="KMNIST Dataset (created by CODH), adapted from Kuzushiji Dataset (created by NIJL and "
        "others), doi 10.20676/00000341; Clanuwat et al. 2018, arXiv 1812.01718",
        home_page="https://github.com/rois-codh/kmnist",
    ),
}
