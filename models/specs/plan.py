"""The weight matrices of a net as a list, from which names, shapes and counts are derived."""

from typing import Literal, NamedTuple

from models.specs.facts import NORMS, Norm

LayerKind = Literal["dense"]


class LayerPlan(NamedTuple):
    """One weight matrix: a set of units, each with its own vector of `fan_in` weights.

    A layer with several matrices has one entry for each, with its own name and norm.
    """

    name: str
    """hidden1, hidden2, …, output."""
    kind: LayerKind
    fan_in: int
    n_units: int
    places: int
    """Pre-activations per unit and example: 1 for a dense layer."""
    norm: Norm
    groups: int
    """Groups of the units over which the norm takes statistics; 1 unless the norm has groups."""

    @property
    def n_weights(self) -> int:
        """The number of weights, shape [fan_in, n_units]."""
        return self.fan_in * self.n_units

    @property
    def n_parameters(self) -> int:
        """The number of trained parameters: weights, gains and shifts."""
        return self.n_weights + NORMS[self.norm].parameters_per_unit * self.n_units

    @property
    def n_running(self) -> int:
        """The number of running statistics."""
        return NORMS[self.norm].running_per_unit * self.n_units

    @property
    def n_outputs(self) -> int:
        """The number of pre-activations per example."""
        return self.n_units * self.places

    @property
    def n_multiplications(self) -> int:
        """The number of multiplications of its product per example."""
        return self.n_weights * self.places
