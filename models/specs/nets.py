"""The kinds of net: for each its defaults, bounds, own fields and layers."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from models.specs.datasets import SIDE
from models.specs.facts import NORMS, NetName, Norm, Scope
from models.specs.plan import ConvWindow, LayerKind, LayerPlan


class NetShape(Protocol):
    """The fields of a spec that decide the layers of its net."""

    @property
    def net(self) -> NetName: ...
    @property
    def n_hidden(self) -> int: ...
    @property
    def n_units(self) -> int: ...
    @property
    def kernel_size(self) -> int: ...
    @property
    def stride(self) -> int: ...
    @property
    def norm(self) -> Norm: ...
    @property
    def scope(self) -> Scope: ...
    @property
    def groups(self) -> int: ...


@dataclass(frozen=True)
class NetFacts:
    """Defaults and bounds of a net, and how its layers follow from a spec."""

    n_hidden: int
    """Hidden layers by default."""
    most_hidden: int
    n_units: int
    """Units of each hidden layer by default."""
    most_units: int
    hidden: Callable[[NetShape], list[LayerPlan]]
    """Returns the hidden layers of a spec."""
    at_once: bool
    """Whether stacked runs are computed in one go, which is faster if products are small, or one by one."""
    has_activation: bool = True
    """Whether hidden layers have the activation function of the spec; gates have their own."""
    fields: tuple[str, ...] = ()
    """The fields of a spec that only this net has."""


def plan_net(shape: NetShape, n_classes: int) -> list[LayerPlan]:
    """Return the layers of a net, from the input to the output."""
    hidden = NETS[shape.net].hidden(shape)
    window, norm = hidden[-1].window, shape.norm if shape.scope == "all" else "none"
    kind: LayerKind = "flattened" if window else "dense"
    places = window.side_out**2 if window else 1
    output = LayerPlan("output", kind, shape.n_units * places, n_classes, norm, _groups(shape, norm))
    return [*hidden, output._replace(input_places=places)]


def _groups(shape: NetShape, norm: Norm) -> int:
    return shape.groups if NORMS[norm].in_groups else 1


def _dense(shape: NetShape) -> list[LayerPlan]:
    sizes = (SIDE * SIDE, *[shape.n_units] * shape.n_hidden)
    groups = _groups(shape, shape.norm)
    return [
        LayerPlan(f"hidden{number}", "dense", *pair, shape.norm, groups)
        for number, pair in enumerate(pairwise(sizes), 1)
    ]


def _conv(shape: NetShape) -> list[LayerPlan]:
    layers: list[LayerPlan] = []
    side, channels, groups = SIDE, 1, _groups(shape, shape.norm)
    for number in range(1, shape.n_hidden + 1):
        window = ConvWindow(side, channels, shape.kernel_size, shape.stride)
        layers.append(
            LayerPlan(f"conv{number}", "conv", window.fan_in, shape.n_units, shape.norm, groups, window)
        )
        side, channels = window.side_out, shape.n_units
    return layers


def _lstm(shape: NetShape) -> list[LayerPlan]:
    """Return input and state, the shift of their sum, and the norm of the cells if there is one."""
    cells, groups, gates = shape.n_units, _groups(shape, shape.norm), 4 * shape.n_units
    of_gates = LayerPlan(
        "lstm1.input", "lstm", SIDE, gates, shape.norm, 4 * groups if NORMS[shape.norm].in_groups else 1
    )
    of_gates = of_gates._replace(steps=SIDE, has_shift=False)
    parts = [
        of_gates,
        of_gates._replace(name="lstm1.state", fan_in=cells),
        LayerPlan("lstm1", "lstm", 0, gates, "none", 1),
    ]
    if NORMS[shape.norm].of_cells:
        parts.append(LayerPlan("lstm1.cell", "lstm", 0, cells, shape.norm, groups, steps=SIDE))
    return parts


NETS: dict[NetName, NetFacts] = {
    "dense": NetFacts(
        n_hidden=1,
        most_hidden=8,
        n_units=128,
        most_units=4096,
        hidden=_dense,
        at_once=True,
    ),
    "conv": NetFacts(
        n_hidden=2,
        most_hidden=4,
        n_units=16,
        most_units=256,
        hidden=_conv,
        at_once=False,
        fields=("kernel_size", "stride"),
    ),
    "lstm": NetFacts(
        n_hidden=1,
        most_hidden=1,
        n_units=64,
        most_units=512,
        hidden=_lstm,
        at_once=False,
        fields=("sequence",),
        has_activation=False,
    ),
}

NET_FIELDS = ("net", *(name for facts in NETS.values() for name in facts.fields))
"""The fields that specs have since there is more than one net; a dense spec is written without them."""
