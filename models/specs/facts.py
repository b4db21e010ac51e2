"""Facts about each norm; the rest of the product derives what it needs from this table."""

from dataclasses import dataclass
from typing import Literal

Norm = Literal["none", "weight", "weight_mean_only_batch", "batch", "layer", "rms", "group"]
Scope = Literal["hidden", "all"]


@dataclass(frozen=True)
class NormFacts:
    """What a norm computes, what it needs, and what to know before choosing it."""

    title: str
    formula: str
    parameters_per_unit: int
    running_per_unit: int
    """Running statistics per unit; they are stored and not trained."""
    init: str
    """What data-dependent initialisation does to this norm."""
    traps: tuple[str, ...]
    source: str
    scope: Scope = "hidden"
    """Layers that the norm is applied to by default."""
    of_weights: bool = False
    """Whether it divides by the length of a unit's weights, so that gains start by `g_init`."""
    over_batch: bool = False
    """Whether its statistics are over the batch, so that training needs two rows."""
    in_groups: bool = False
    """Whether its statistics are over `groups` groups of the units."""
    least_units: int = 1
    """Fewest units over which its statistics mean anything: in a layer, or in a group."""


NORMS: dict[Norm, NormFacts] = {
    "none": NormFacts(
        title="No normalisation",
        formula="z = x W + b",
        parameters_per_unit=1,
        running_per_unit=0,
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
        init="g and b are set from the first batch (equations 5 and 6 of the paper); v is untouched",
        traps=(
            "without init it starts as exactly the un-normalised net (g = ‖v‖)",
            "the effective step grows with learning_rate / ‖v‖²: a small weight_std is unstable with init",
        ),
        source="Salimans & Kingma 2016, arXiv 1602.07868",
        scope="all",
        of_weights=True,
    ),
    "weight_mean_only_batch": NormFacts(
        title="Weight Normalization with mean-only batch normalisation",
        formula="s = g x v / ‖v‖;  z = s − mean_batch(s) + b",
        parameters_per_unit=2,
        running_per_unit=1,
        init="g is set from the first batch, b stays 0, and the running mean starts at the batch's own",
        traps=("training needs at least 2 rows a batch",),
        source="Salimans & Kingma 2016, arXiv 1602.07868, section 2.3",
        scope="all",
        of_weights=True,
        over_batch=True,
    ),
    "batch": NormFacts(
        title="Batch Normalization",
        formula="u = (a − mean_batch) / √(var_batch + ε);  z = γ u + β",
        parameters_per_unit=2,
        running_per_unit=2,
        init="γ and β by the general rule (close to 1 and 0); running statistics start at the batch's own",
        traps=(
            "training needs at least 2 rows a batch",
            "predictions use running statistics, never the other rows of the request",
        ),
        source="Ioffe & Szegedy 2015, arXiv 1502.03167",
        over_batch=True,
    ),
    "layer": NormFacts(
        title="Layer Normalization",
        formula="u = (a − mean_row) / √(var_row + ε);  z = γ u + β",
        parameters_per_unit=2,
        running_per_unit=0,
        init="γ and β are set per unit from the first batch: a real change",
        traps=("the statistics are over the units of one row: differences between units in scale remain",),
        source="Ba, Kiros & Hinton 2016, arXiv 1607.06450",
        least_units=2,
    ),
    "rms": NormFacts(
        title="RMS normalisation",
        formula="u = a / √(mean_row(a²) + ε);  z = γ u + β",
        parameters_per_unit=2,
        running_per_unit=0,
        init="γ and β are set per unit from the first batch: a real change",
        traps=("unlike Layer Normalization, a vector added to every column of W matters",),
        source="Zhang & Sennrich 2019, arXiv 1910.07467",
    ),
    "group": NormFacts(
        title="Group Normalization",
        formula="as Layer Normalization, inside each of G contiguous groups of units;  z = γ u + β",
        parameters_per_unit=2,
        running_per_unit=0,
        init="γ and β are set per unit from the first batch: a real change",
        traps=("a group of 1 unit would always be 0 and is refused; a group of 2 is always ±1",),
        source="Wu & He 2018, arXiv 1803.08494",
        in_groups=True,
        least_units=2,
    ),
}

WEIGHT_NORMS = tuple(norm for norm, facts in NORMS.items() if facts.of_weights)
BATCH_NORMS = tuple(norm for norm, facts in NORMS.items() if facts.over_batch)
