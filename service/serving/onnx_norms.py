"""The operators of each norm in evaluation, as ONNX nodes: of a layer, and of a part of a recurrent layer."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from models.nets.conv import Conv
from models.nets.layers import Layer
from models.nets.norm import Norm
from models.nets.norms import NORM_TYPES, GroupNorm, LayerNorm, RMSNorm
from models.specs.facts import EPS
from models.specs.facts import Norm as NormName
from service.serving.onnx_nodes import Graph, Numbers


class Part(NamedTuple):
    """A part of a recurrent layer: what its norm needs, and the prefix of its nodes."""

    name: str
    gain: Numbers | None
    shift: Numbers | None
    mean: Numbers | None  # (steps, units), as the next
    var: Numbers | None
    groups: int

    def at(self, step: int) -> "Part":
        """Return the part at one time step."""
        mean, var = (None if each is None else each[step] for each in (self.mean, self.var))
        return self._replace(name=f"{self.name}.{step}", mean=mean, var=var)


class Operators(NamedTuple):
    """What adds a norm that depends on its input: z of a layer's product a, and of a part's."""

    of_layer: Callable[[Graph, str, Layer, str, str], str]
    of_part: Callable[[Graph, Part, str], str]


def add_norm(graph: Graph, name: str, layer: Layer, a: str, z: str) -> str:
    """Add the norm that is left in a folded layer; return the name of z."""
    return NORMS[type(layer.norm)].of_layer(graph, name, layer, a, z)


def add_norm_of_part(graph: Graph, kind: NormName, part: Part, a: str) -> str:
    """Add the norm of a part of a recurrent layer; return the name of z."""
    norm = NORM_TYPES[kind]
    add = _add_affine if norm.fold is not Norm.fold else NORMS[norm].of_part
    return add(graph, part, a)


def affine(part: Part) -> tuple[Numbers, Numbers]:
    """Return scale and offset of a norm with running statistics, computed in float64."""
    mean = np.zeros(1) if part.mean is None else part.mean.astype(np.float64)
    scale = np.ones_like(mean) if part.gain is None else part.gain.astype(np.float64)
    if part.var is not None:
        scale = scale / np.sqrt(part.var.astype(np.float64) + EPS)
    shift = 0 if part.shift is None else part.shift
    return scale.astype(np.float32), (shift - mean * scale).astype(np.float32)


def _add_affine(graph: Graph, part: Part, a: str) -> str:
    scale, offset = affine(part)
    if part.gain is not None:
        a = graph.add("Mul", f"{part.name}.scaled", a, graph.constant(f"{part.name}.scale", scale))
    if not offset.any():
        return a
    return graph.add("Add", f"{part.name}.z", a, graph.constant(f"{part.name}.offset", offset))


def _scale_part(graph: Graph, part: Part, u: str) -> str:
    """Add gain · u + shift."""
    return _add_affine(graph, part._replace(mean=None, var=None), u)


def _scale_layer(graph: Graph, name: str, layer: Layer, u: str, z: str) -> str:
    """Add gain · u + shift, per unit."""
    shape = (-1, 1, 1) if _has_places(layer) else (-1,)
    gain, shift = (
        graph.constant(f"{name}.{key}", layer.tensors()[key].numpy().reshape(shape))
        for key in ("gain", "shift")
    )
    return graph.add("Add", z, graph.add("Mul", f"{name}.scaled", u, gain), shift)


def _has_places(layer: Layer) -> bool:
    return isinstance(layer, Conv)


def _add_layer_norm(graph: Graph, name: str, layer: Layer, a: str, z: str) -> str:
    if _has_places(layer):
        return _normalise_groups(graph, name, layer, a, z, groups=1)
    own = [graph.constant(f"{name}.{key}", layer.tensors()[key][0, 0].numpy()) for key in ("gain", "shift")]
    return graph.add("LayerNormalization", z, a, *own, axis=-1, epsilon=EPS)


def _add_layer_norm_of_part(graph: Graph, part: Part, a: str) -> str:
    return _scale_part(graph, part, _normalise_rows(graph, part.name, a, _n_units(part)))


def _add_rms_norm(graph: Graph, name: str, layer: Layer, a: str, z: str) -> str:
    u = _divide_by_root_mean_square(graph, name, a, [1, 2, 3] if _has_places(layer) else [-1])
    return _scale_layer(graph, name, layer, u, z)


def _add_rms_norm_of_part(graph: Graph, part: Part, a: str) -> str:
    return _scale_part(graph, part, _divide_by_root_mean_square(graph, part.name, a, [-1]))


def _divide_by_root_mean_square(graph: Graph, name: str, a: str, axes: list[int]) -> str:
    square = graph.add("Mul", f"{name}.square", a, a)
    mean = graph.add("ReduceMean", f"{name}.mean", square, axes=axes, keepdims=1)
    eps = graph.constant(f"{name}.eps", np.array([EPS], np.float32))
    root = graph.add("Sqrt", f"{name}.root", graph.add("Add", f"{name}.added", mean, eps))
    return graph.add("Div", f"{name}.u", a, root)


def _add_group_norm(graph: Graph, name: str, layer: Layer, a: str, z: str) -> str:
    return _normalise_groups(graph, name, layer, a, z, vars(layer.norm)["groups"])


def _add_group_norm_of_part(graph: Graph, part: Part, a: str) -> str:
    """Normalise each group as a row; 0 keeps the size of an axis."""
    units = _n_units(part)
    before = [0, 0] if part.name.endswith("input") else [0]
    grouped = graph.constant(f"{part.name}.grouped", np.array([*before, part.groups, units // part.groups]))
    rows = graph.add("Reshape", f"{part.name}.rows", a, grouped)
    u = _normalise_rows(graph, part.name, rows, units // part.groups)
    flat = graph.constant(f"{part.name}.units", np.array([*before, units]))
    return _scale_part(graph, part, graph.add("Reshape", f"{part.name}.flat", u, flat))


def _n_units(part: Part) -> int:
    return 0 if part.gain is None else len(part.gain)


def _normalise_rows(graph: Graph, name: str, a: str, size: int) -> str:
    """Normalise rows of this size."""
    ones = graph.constant(f"{name}.ones", np.ones(size, np.float32))
    return graph.add("LayerNormalization", f"{name}.u", a, ones, axis=-1, epsilon=EPS)


def _normalise_groups(graph: Graph, name: str, layer: Layer, a: str, z: str, groups: int) -> str:
    """Normalise each group as a row: GroupNormalization scales groups, not units, before opset 21."""
    n_units, places = layer.weight.shape[2], (layer.window.side_out,) * 2 if isinstance(layer, Conv) else ()
    size = n_units // groups * math.prod(places)
    # 0 keeps the size of the batch, which may be 0 itself.
    grouped = graph.constant(f"{name}.grouped", np.array([0, groups, size]))
    u = _normalise_rows(graph, name, graph.add("Reshape", f"{name}.rows", a, grouped), size)
    shape = graph.constant(f"{name}.units", np.array([0, n_units, *places]))
    return _scale_layer(graph, name, layer, graph.add("Reshape", f"{name}.flat", u, shape), z)


NORMS: dict[type[Norm], Operators] = {
    LayerNorm: Operators(_add_layer_norm, _add_layer_norm_of_part),
    RMSNorm: Operators(_add_rms_norm, _add_rms_norm_of_part),
    GroupNorm: Operators(_add_group_norm, _add_group_norm_of_part),
}
"""The norms that cannot be folded."""
