"""Facts about each norm; schemas, bounds, reports and documentation derive from this table."""

from dataclasses import dataclass
from typing import Literal

Norm = Literal["none", "weight", "weight_mean_only_batch", "batch", "layer", "rms", "group"]
Scope = Literal["hidden", "all"]


@dataclass(frozen=True)
class NormFacts:
    """The formula of a norm, its requirements, and its known traps."""

    title: str
    formula: str
    parameters_per_unit: int
    running_per_unit: int
    """Running statistics per unit, which are stored with the weights but not trained."""
    init: str
    """The effect of data-dependent initialisation on this norm."""
    traps: tuple[str, ...]
    source: str
    scope: Scope = "hidden"
    """The layers that are normalised by default."""
    scale_free: bool = False
    """Whether a layer computes the same when all its weights are multiplied by one positive number."""
    of_weights: bool = False
    """Whether it divides by the length of a unit's weights; `g_init` then sets its gains at the start."""
    over_batch: bool = False
    """Whether its statistics are over the batch, so that training needs at least two rows."""
    in_groups: bool = False
    """Whether its statistics are over groups of the units; `groups` then sets their number."""
    min_units: int = 1
    """The fewest units in a layer, or in a group, for which its statistics are meaningful."""


NORMS: dict[Norm, NormFacts] = {
    "none": NormFacts(
        title="No normalisation",
        formula="z = x W + b",
        parameters_per_unit=1,
        running_per_unit=0,
        init="scales each column of W and sets b so that z has mean 0 and standard deviation 1 on the first "
        "batch; the result does not depend on weight_std",
        traps=("without init, the scale of the pre-activations at the start depends on weight_std",),
        source="the plain affine layer",
    ),
    "weight": NormFacts(
        title="Weight Normalization",
        formula="t = x v / ‖v‖;  z = g t + b",
        parameters_per_unit=2,
        running_per_unit=0,
        init="sets g and b from the first batch (equations 5 and 6 of the paper); v does not change",
        traps=(
            "without init, it starts as exactly the un-normalised net (g = ‖v‖)",
            "the effective step is learning_rate / ‖v‖²: with init, a small weight_std is unstable",
            "weight_decay does not limit the net, because the length of v has no effect: it only raises the "
            "effective step; a v that has decayed to 0 gives t = 0 and gets no gradient",
        ),
        source="Salimans & Kingma 2016, arXiv 1602.07868",
        scope="all",
        scale_free=True,
        of_weights=True,
    ),
    "weight_mean_only_batch": NormFacts(
        title="Weight Normalization with mean-only batch normalisation",
        formula="s = g x v / ‖v‖;  z = s − mean_batch(s) + b",
        parameters_per_unit=2,
        running_per_unit=1,
        init="sets g from the first batch; b stays 0, and the running mean starts at the mean of the batch",
        traps=("training needs at least 2 rows per batch",),
        source="Salimans & Kingma 2016, arXiv 1602.07868, section 2.3",
        scope="all",
        scale_free=True,
        of_weights=True,
        over_batch=True,
    ),
    "batch": NormFacts(
        title="Batch Normalization",
        formula="u = (a − mean_batch) / √(var_batch + ε);  z = γ u + β",
        parameters_per_unit=2,
        running_per_unit=2,
        init="sets γ (about 1) and β (about 0) from the first batch; running statistics start at the batch's",
        traps=(
            "training needs at least 2 rows per batch",
            "predictions use running statistics, never the other rows of the request",
        ),
        source="Ioffe & Szegedy 2015, arXiv 1502.03167",
        scale_free=True,
        over_batch=True,
    ),
    "layer": NormFacts(
        title="Layer Normalization",
        formula="u = (a − mean_row) / √(var_row + ε);  z = γ u + β",
        parameters_per_unit=2,
        running_per_unit=0,
        init="sets γ and β of each unit from the first batch, which changes the outputs at the start",
        traps=("the statistics are over the units of one row, so differences in scale between units remain",),
        source="Ba, Kiros & Hinton 2016, arXiv 1607.06450",
        scale_free=True,
        min_units=2,
    ),
    "rms": NormFacts(
        title="RMS normalisation",
        formula="u = a / √(mean_row(a²) + ε);  z = γ u + β",
        parameters_per_unit=2,
        running_per_unit=0,
        init="sets γ and β of each unit from the first batch, which changes the outputs at the start",
        traps=("unlike Layer Normalization, it changes when one vector is added to every column of W",),
        source="Zhang & Sennrich 2019, arXiv 1910.07467",
        scale_free=True,
    ),
    "group": NormFacts(
        title="Group Normalization",
        formula="as Layer Normalization, within each of G contiguous groups of units;  z = γ u + β",
        parameters_per_unit=2,
        running_per_unit=0,
        init="sets γ and β of each unit from the first batch, which changes the outputs at the start",
        traps=(
            "a group of 1 unit is refused, because its u is always 0; in a group of 2, u is always about ±1",
        ),
        source="Wu & He 2018, arXiv 1803.08494",
        scale_free=True,
        in_groups=True,
        min_units=2,
    ),
}
