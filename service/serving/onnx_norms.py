"""The norm of a layer, and of a part of a recurrent layer, in evaluation, as ONNX nodes."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.nets.conv import Conv
from models.nets.layers import Layer
from models.nets.norm import Norm
from models.nets.norms import NORM_TYPES
from models.specs.facts import EPS
from models.specs.facts import Norm as NormName
from service.serving.onnx_nodes import Graph, Numbers


class RecurrentPart(NamedTuple):
    """A part of a recurrent layer: what its norm needs, and the prefix of its nodes."""

    name: str
    gain: Numbers | None
    shift: Numbers | None
    mean: Numbers | None  # (steps, units), as the next
    var: Numbers | None
    groups: int
    batch_axes: int
    """Axes before the units: of the rows, or of the time steps and the rows."""

    def at(self, step: int) -> "RecurrentPart":
        """Return the part at one time step."""
        mean, var = (None if each is None else each[step] for each in (self.mean, self.var))
        return self._replace(name=f"{self.name}.{step}", mean=mean, var=var)


def add_norm(graph: Graph, name: str, layer: Layer, a: str, z: str) -> str:
    """Add the norm that is left in a folded layer; return the name of z."""
    places = (layer.window.side_out,) * 2 if isinstance(layer, Conv) else ()
    shape, groups = (layer.weight.shape[2], *places), vars(layer.norm).get("groups", 1)
    u = _normalise(graph, type(layer.norm), name, a, shape, groups)
    gain, shift = (
        graph.constant(f"{name}.{key}", layer.tensors()[key].numpy().reshape(-1, *[1] * len(places)))
        for key in ("gain", "shift")
    )
    return graph.add("Add", z, graph.add("Mul", f"{name}.scaled", u, gain), shift)


def add_norm_of_part(graph: Graph, kind: NormName, part: RecurrentPart, a: str) -> str:
    """Add the norm of a part of a recurrent layer; return the name of z."""
    norm = NORM_TYPES[kind]
    if norm.fold is not Norm.fold:
        return _add_affine(graph, part, a)
    n_units = 0 if part.gain is None else len(part.gain)
    u = _normalise(graph, norm, part.name, a, (n_units,), part.groups, part.batch_axes)
    return _add_affine(graph, part._replace(mean=None, var=None), u)


def affine(part: RecurrentPart) -> tuple[Numbers, Numbers]:
    """Return scale and offset of a norm with running statistics, computed in float64."""
    mean = np.zeros(1) if part.mean is None else part.mean.astype(np.float64)
    scale = np.ones_like(mean) if part.gain is None else part.gain.astype(np.float64)
    if part.var is not None:
        scale = scale / np.sqrt(part.var.astype(np.float64) + EPS)
    shift = 0 if part.shift is None else part.shift
    return scale.astype(np.float32), (shift - mean * scale).astype(np.float32)


def _add_affine(graph: Graph, part: RecurrentPart, a: str) -> str:
    scale, offset = affine(part)
    if part.gain is not None:
        a = graph.add("Mul", f"{part.name}.scaled", a, graph.constant(f"{part.name}.scale", scale))
    if not offset.any():
        return a
    return graph.add("Add", f"{part.name}.z", a, graph.constant(f"{part.name}.offset", offset))


def _normalise(
    graph: Graph, norm: type[Norm], name: str, a: str, shape: Sequence[int], groups: int, batch_axes: int = 1
) -> str:
    """Normalise each row of each group of units [*shape], with all their places; return the name of u."""
    size = math.prod(shape) // groups
    if len(shape) == groups == 1:
        return norm.add_rows(graph, name, a, size)
    batch = [0] * batch_axes  # 0 keeps the size of an axis, which may be 0 itself
    rows = graph.constant(f"{name}.grouped", np.array([*batch, groups, size]))
    u = norm.add_rows(graph, name, graph.add("Reshape", f"{name}.rows", a, rows), size)
    units = graph.constant(f"{name}.units", np.array([*batch, *shape]))
    return graph.add("Reshape", f"{name}.flat", u, units)
