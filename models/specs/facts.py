"""Facts about each norm; schemas, bounds, reports and documentation derive from this table."""

from dataclasses import dataclass, replace
from typing import Literal

Norm = Literal["none", "weight", "weight_mean_only_batch", "batch", "layer", "rms", "group"]
NetName = Literal["dense", "conv", "lstm"]
Scope = Literal["hidden", "all"]
Dimension = Literal["fan_in", "n_units"]

EPS = 1e-5
RUNNING_RATE = 0.1


@dataclass(frozen=True)
class TensorFacts:
    """A tensor that each normalised layer stores, in float32."""

    name: str
    """Its name after the layer's, as in hidden1.gain; only running statistics start with running_."""
    letter: str
    """Its letter in the paper."""
    meaning: str
    shape: tuple[Dimension, ...] = ("n_units",)

    @property
    def trained(self) -> bool:
        """Whether the optimizer updates it."""
        return not self.name.startswith("running_")


@dataclass(frozen=True)
class Paper:
    """The publication that defines a norm."""

    title: str
    authors: tuple[str, ...]
    year: int
    arxiv: str
    section: str | None = None
    """The part of it that defines the norm; None if all of it does."""


@dataclass(frozen=True)
class NormFacts:
    """The formula of a norm, what it stores, its requirements, and its known traps."""

    title: str
    formula: str
    """What it computes in training, with the letters of its tensors; a = x W."""
    tensors: tuple[TensorFacts, ...]
    """What each normalised layer stores."""
    init: str
    """The effect of data-dependent initialisation on this norm."""
    traps: tuple[str, ...]
    statistics: dict[NetName, str] | None = None
    """What its statistics run over in each kind of net; None if it has none."""
    paper: Paper | None = None
    formula_in_evaluation: str | None = None
    """What it computes in evaluation and predictions; None if it is the same."""
    epsilon: float | None = None
    epsilon_place: str | None = None
    """Where the formula has ε; None if it has none."""
    running_rate: float | None = None
    """Running statistics become (1 − rate) · old + rate · batch at each step; None without them."""
    scope: Scope = "hidden"
    """The layers that are normalised by default."""
    scale_free: bool = False
    """Whether a layer computes the same when all its weights are multiplied by one positive number."""
    of_weights: bool = False
    """Whether it divides by the length of a unit's weights; `g_init` then sets its gains at the start."""
    over_batch: bool = False
    """Whether its statistics are over the batch, so that training needs at least two rows."""
    of_cells: bool = False
    """Whether it also normalises the cells of a recurrent net."""
    in_groups: bool = False
    """Whether its statistics are over groups of the units; `groups` then sets their number."""
    min_units: int = 1
    """The fewest units in a layer, or in a group, for which its statistics are meaningful."""

    @property
    def parameters_per_unit(self) -> int:
        """The trained numbers of a unit besides its weights."""
        return sum(tensor.trained and tensor.name != "weight" for tensor in self.tensors)

    @property
    def running_per_unit(self) -> int:
        """The running statistics of a unit, which are stored with the weights but not trained."""
        return sum(not tensor.trained for tensor in self.tensors)


def weight(letter: str) -> TensorFacts:
    """Describe the weights of a layer."""
    return TensorFacts("weight", letter, "the weights, a column per unit", ("fan_in", "n_units"))


def gain(letter: str) -> TensorFacts:
    """Describe the gains of a norm."""
    return TensorFacts("gain", letter, "what each unit's normalised value is multiplied by")


def shift(letter: str) -> TensorFacts:
    """Describe the shifts, or biases, of a norm."""
    return TensorFacts("shift", letter, "what is added to each unit last")


WEIGHT_NORMALIZATION = Paper(
    "Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural Networks",
    ("Tim Salimans", "Diederik P. Kingma"),
    2016,
    "1602.07868",
)

NORMS: dict[Norm, NormFacts] = {
    "none": NormFacts(
        title="No normalisation",
        formula="z = x W + b",
        tensors=(weight("W"), shift("b")),
        init="scales each column of W and sets b so that z has mean 0 and standard deviation 1 on the first "
        "batch; the result does not depend on weight_std",
        traps=("without init, the scale of the pre-activations at the start depends on weight_std",),
    ),
    "weight": NormFacts(
        title="Weight Normalization",
        formula="t = x v / ‖v‖;  z = g t + b",
        tensors=(weight("v"), gain("g"), shift("b")),
        init="sets g and b from the first batch (equations 5 and 6 of the paper); v does not change",
        traps=(
            "without init, it starts as exactly the un-normalised net (g = ‖v‖)",
            "the effective step is learning_rate / ‖v‖²: with init, a small weight_std is unstable",
            "weight_decay does not limit the net, because the length of v has no effect: it only raises the "
            "effective step; a v that has decayed to 0 gives t = 0 and gets no gradient",
        ),
        statistics={
            "dense": "the weights of a unit",
            "conv": "the weights of a channel",
            "lstm": "the weights of a gate of a cell, for the input and for the state separately",
        },
        paper=WEIGHT_NORMALIZATION,
        scope="all",
        scale_free=True,
        of_weights=True,
    ),
    "weight_mean_only_batch": NormFacts(
        title="Weight Normalization with mean-only batch normalisation",
        formula="s = g x v / ‖v‖;  z = s − mean_batch(s) + b",
        tensors=(
            weight("v"),
            gain("g"),
            shift("b"),
            TensorFacts("running_mean", "μ[t]", "running mean of s (t in the paper)"),
        ),
        init="sets g from the first batch; b stays 0, and the running mean starts at the mean of the batch",
        traps=("training needs at least 2 rows per batch",),
        statistics={
            "dense": "length: the weights of a unit; mean: the batch, for each unit",
            "conv": "length: the weights of a channel; mean: the batch and all positions, for each channel",
            "lstm": "length: the weights of a gate of a cell; mean: the batch, at each time step separately",
        },
        paper=replace(WEIGHT_NORMALIZATION, section="2.3"),
        formula_in_evaluation="z = g x v / ‖v‖ − μ[t] + b",
        running_rate=RUNNING_RATE,
        scope="all",
        scale_free=True,
        of_weights=True,
        over_batch=True,
    ),
    "batch": NormFacts(
        title="Batch Normalization",
        formula="u = (a − mean_batch) / √(var_batch + ε);  z = γ u + β",
        tensors=(
            weight("W"),
            gain("γ"),
            shift("β"),
            TensorFacts("running_mean", "E[x]", "running mean of a (x in the paper)"),
            TensorFacts("running_var", "Var[x]", "running variance of a, of batches divided by n − 1"),
        ),
        init="sets γ (about 1) and β (about 0) from the first batch; running statistics start at the batch's",
        traps=(
            "training needs at least 2 rows per batch",
            "predictions use running statistics, never the other rows of the request",
        ),
        statistics={
            "dense": "the batch, for each unit",
            "conv": "the batch and all positions, for each channel",
            "lstm": "the batch, at each time step separately; its gains start at 0.1, as 1 saturates gates",
        },
        paper=Paper(
            "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift",
            ("Sergey Ioffe", "Christian Szegedy"),
            2015,
            "1502.03167",
        ),
        formula_in_evaluation="u = (a − E[x]) / √(Var[x] + ε);  z = γ u + β",
        epsilon=EPS,
        epsilon_place="added to the variance, under the root",
        running_rate=RUNNING_RATE,
        of_cells=True,
        scale_free=True,
        over_batch=True,
    ),
    "layer": NormFacts(
        title="Layer Normalization",
        formula="u = (a − mean_row) / √(var_row + ε);  z = g u + b",
        tensors=(weight("W"), gain("g"), shift("b")),
        init="sets g and b of each unit from the first batch, which changes the outputs at the start",
        traps=("the statistics are over the units of one row, so differences in scale between units remain",),
        statistics={
            "dense": "the units of one example",
            "conv": "the positions and channels of one example; gain and shift are per channel, as those of "
            "torch's GroupNorm(1, C); its LayerNorm([C, H, W]) has one per element",
            "lstm": "the gates of all cells, and the cells, at one time step of one example",
        },
        paper=Paper(
            "Layer Normalization",
            ("Jimmy Lei Ba", "Jamie Ryan Kiros", "Geoffrey E. Hinton"),
            2016,
            "1607.06450",
        ),
        epsilon=EPS,
        epsilon_place="added to the variance, under the root",
        of_cells=True,
        scale_free=True,
        min_units=2,
    ),
    "rms": NormFacts(
        title="RMS normalisation",
        formula="u = a / √(mean_row(a²) + ε);  z = g u + b",
        tensors=(weight("W"), gain("g"), shift("b")),
        init="sets g and b of each unit from the first batch, which changes the outputs at the start",
        traps=("unlike Layer Normalization, it changes when one vector is added to every column of W",),
        statistics={
            "dense": "the units of one example",
            "conv": "the positions and channels of one example; gain and shift are per channel",
            "lstm": "the gates of all cells, and the cells, at one time step of one example",
        },
        paper=Paper(
            "Root Mean Square Layer Normalization", ("Biao Zhang", "Rico Sennrich"), 2019, "1910.07467"
        ),
        epsilon=EPS,
        epsilon_place="added to the mean square, under the root",
        of_cells=True,
        scale_free=True,
    ),
    "group": NormFacts(
        title="Group Normalization",
        formula="u = (a − mean_group) / √(var_group + ε);  z = γ u + β",
        tensors=(weight("W"), gain("γ"), shift("β")),
        init="sets γ and β of each unit from the first batch, which changes the outputs at the start",
        traps=(
            "mean_group and var_group are over each of `groups` groups of neighbouring units of one row",
            "a group of 1 unit is refused, because its u is always 0; in a group of 2, u is always about ±1",
        ),
        statistics={
            "dense": "the units of one group of one example",
            "conv": "the positions and the channels of one group of one example",
            "lstm": "one group of cells, and of each of their gates, at one time step of one example",
        },
        paper=Paper("Group Normalization", ("Yuxin Wu", "Kaiming He"), 2018, "1803.08494"),
        epsilon=EPS,
        epsilon_place="added to the variance, under the root",
        of_cells=True,
        scale_free=True,
        in_groups=True,
        min_units=2,
    ),
}
