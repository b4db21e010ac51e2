"""The weight matrices of a net as a list, from which names, shapes and counts are derived."""

from typing import Literal, NamedTuple

from models.specs.facts import NORMS, Norm

LayerKind = Literal["dense", "conv", "flattened", "lstm"]


class ConvWindow(NamedTuple):
    """The geometry of a convolution with zero padding (size − 1) / 2: a side of n becomes ⌈n / stride⌉."""

    side: int
    """Height and width of its input."""
    channels: int
    """Channels of its input."""
    size: int
    """Height and width of its kernels, an odd number."""
    stride: int

    @property
    def fan_in(self) -> int:
        """The number of weights of an output channel: a patch of the input."""
        return self.size**2 * self.channels

    @property
    def side_out(self) -> int:
        """Height and width of its output."""
        return -(-self.side // self.stride)


class LayerPlan(NamedTuple):
    """One weight matrix: a set of units, each with its own vector of `fan_in` weights.

    A layer with several matrices has one entry for each, with its own name and norm; an entry without weights
    has a `fan_in` of 0: the shift that several matrices share, or a norm of values that no matrix makes.
    """

    name: str
    """hidden1, hidden2, …, or conv1, conv2, …, or lstm1.input and others; then output."""
    kind: LayerKind
    fan_in: int
    n_units: int
    norm: Norm
    groups: int
    """Groups of the units over which the norm takes statistics; 1 unless the norm has groups."""
    window: ConvWindow | None = None
    """The geometry of a convolution; None for other layers."""
    input_places: int = 1
    """Places of each unit of the layer before: a flattened layer reads (place, unit)."""
    steps: int = 1
    """Time steps of a recurrent layer, each with its own statistics."""
    has_shift: bool = True
    """Whether the norm has a shift of its own."""

    @property
    def places(self) -> int:
        """Pre-activations per unit and example: the positions of a convolution, or the time steps."""
        return self.window.side_out**2 if self.window else self.steps

    @property
    def recurs(self) -> bool:
        """Whether its values depend on those of earlier time steps, so that init leaves it alone."""
        return self.kind == "lstm" and self.name.endswith((".state", ".cell"))

    @property
    def n_weights(self) -> int:
        """The number of weights, shape [fan_in, n_units]."""
        return self.fan_in * self.n_units

    @property
    def n_parameters(self) -> int:
        """The number of trained parameters: weights, gains and shifts."""
        per_unit = NORMS[self.norm].parameters_per_unit - (not self.has_shift)
        return self.n_weights + per_unit * self.n_units

    @property
    def n_running(self) -> int:
        """The number of running statistics."""
        return NORMS[self.norm].running_per_unit * self.n_units * self.steps

    @property
    def n_outputs(self) -> int:
        """The number of pre-activations per example."""
        return self.n_units * self.places

    @property
    def values_per_group(self) -> int:
        """The number of pre-activations of an example over which a norm takes statistics, in each group."""
        return self.n_outputs // self.steps // self.groups

    @property
    def n_multiplications(self) -> int:
        """The number of multiplications of its product per example."""
        return self.n_weights * self.places
