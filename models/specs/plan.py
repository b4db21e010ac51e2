"""The layers of a net as a list, from which names, shapes, counts and digests are derived."""

from typing import Literal, NamedTuple

from models.specs.facts import NORMS, Norm

LayerKind = Literal["dense"]


class LayerPlan(NamedTuple):
    """One layer: a set of units, each with its own vector of `fan_in` weights."""

    name: str
    """hidden1, hidden2, …, output."""
    kind: LayerKind
    fan_in: int
    n_units: int
    places: int
    """Pre-activations of one unit per example: 1 for a dense layer."""
    norm: Norm

    @property
    def n_weights(self) -> int:
        """Count the weights, shape [fan_in, n_units]."""
        return self.fan_in * self.n_units

    @property
    def n_parameters(self) -> int:
        """Count the trained numbers: weights, gains and shifts."""
        return self.n_weights + NORMS[self.norm].parameters_per_unit * self.n_units

    @property
    def n_running(self) -> int:
        """Count the running statistics."""
        return NORMS[self.norm].running_per_unit * self.n_units
