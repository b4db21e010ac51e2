"""A recurrent layer as ONNX nodes: its time steps one after another, each with its own statistics."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.nets.lstm import Lstm
from models.specs.facts import EPS
from models.specs.facts import Norm as NormName
from service.serving.onnx_nodes import Graph

Numbers = NDArray[np.float32]


class Part(NamedTuple):
    """A part of the layer: what its norm needs, and the prefix of its nodes."""

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


def add_lstm(graph: Graph, name: str, layer: Lstm, x: str, z: str) -> str:
    """Add the last h of a layer of one run, from pixels [N, 784]."""
    leaves, running = layer.of_run(0)
    own = {key: tensor.detach().numpy() for key, tensor in {**running, **leaves}.items()}
    own["input.shift"] = own["shift"]
    parts = {part: _part(layer, part, own) for part in ("input", "state", "cell")}
    pixels = graph.constant(f"{name}.pixels", layer.pixels.numpy())
    sequence = graph.add(
        "Transpose", f"{name}.x", graph.add("Gather", f"{name}.read", x, pixels, axis=1), perm=[1, 0, 2]
    )
    a = graph.add(
        "MatMul", f"{name}.a", sequence, graph.constant(f"{name}.input.weight", own["input.weight"])
    )
    inputs = _add_norm(graph, layer.kind, parts["input"], a)
    weight = graph.constant(f"{name}.state.weight", own["state.weight"])
    h = c = None
    for step in range(len(layer.pixels)):
        index = graph.constant(f"{name}.{step}", np.array(step))
        of_input = graph.add("Gather", f"{name}.input.{step}", inputs, index, axis=0)
        state = _add_state(graph, layer.kind, parts["state"].at(step), h, weight)
        gates = of_input if state is None else graph.add("Add", f"{name}.gates.{step}", of_input, state)
        c, o = _add_cells(graph, f"{name}.{step}", gates, c)
        cell = _add_norm(graph, layer.kind, parts["cell"].at(step), c) if "cell.gain" in own else c
        out = graph.add("Tanh", f"{name}.out.{step}", cell)
        h = graph.add("Mul", z if step == len(layer.pixels) - 1 else f"{name}.h.{step}", o, out)
    return z


def _part(layer: Lstm, part: str, own: Mapping[str, Numbers]) -> Part:
    mean, var = own.get(f"{part}.running_mean"), own.get(f"{part}.running_var")
    if part == "input":  # all its steps at once: (steps, 1, units)
        mean, var = (None if each is None else each[:, None] for each in (mean, var))
    groups = layer.groups * (1 if part == "cell" else 4)
    return Part(f"lstm1.{part}", own.get(f"{part}.gain"), own.get(f"{part}.shift"), mean, var, groups)


def _add_state(graph: Graph, kind: NormName, part: Part, h: str | None, weight: str) -> str | None:
    """Add N_h(h W_h); the first h is 0, and so is what every norm makes of it, except for a constant."""
    if h is not None:
        return _add_norm(graph, kind, part, graph.add("MatMul", f"{part.name}.a", h, weight))
    if part.mean is None:
        return None
    _, offset = _affine(part)
    return graph.constant(f"{part.name}.first", offset)


def _add_cells(graph: Graph, name: str, gates: str, c: str | None) -> tuple[str, str]:
    """Add the new c and the output gate; the first c is 0."""
    i, f, g, o = graph.split(gates, [f"{name}.{gate}" for gate in "ifgo"])
    i, f, o = (graph.add("Sigmoid", f"{gate}.open", gate) for gate in (i, f, o))
    new = graph.add("Mul", f"{name}.new", i, graph.add("Tanh", f"{g}.tanh", g))
    if c is None:
        return new, o
    return graph.add("Add", f"{name}.c", graph.add("Mul", f"{name}.kept", f, c), new), o


def _affine(part: Part) -> tuple[Numbers, Numbers]:
    """Return scale and offset of a norm with running statistics, computed in float64."""
    mean = np.zeros(1) if part.mean is None else part.mean.astype(np.float64)
    scale = np.ones_like(mean) if part.gain is None else part.gain.astype(np.float64)
    if part.var is not None:
        scale = scale / np.sqrt(part.var.astype(np.float64) + EPS)
    shift = 0 if part.shift is None else part.shift
    return scale.astype(np.float32), (shift - mean * scale).astype(np.float32)


def _add_norm(graph: Graph, kind: NormName, part: Part, a: str) -> str:
    return NORMS[kind](graph, part, a)


def _add_affine(graph: Graph, part: Part, a: str) -> str:
    scale, offset = _affine(part)
    if part.gain is not None:
        a = graph.add("Mul", f"{part.name}.scaled", a, graph.constant(f"{part.name}.scale", scale))
    if not offset.any():
        return a
    return graph.add("Add", f"{part.name}.z", a, graph.constant(f"{part.name}.offset", offset))


def _add_scaled(graph: Graph, part: Part, u: str) -> str:
    return _add_affine(graph, part._replace(mean=None, var=None), u)


def _add_layer(graph: Graph, part: Part, a: str) -> str:
    return _add_scaled(graph, part, _add_rows(graph, part, a, part.gain))


def _add_rows(graph: Graph, part: Part, a: str, like: Numbers | None, groups: int = 1) -> str:
    size = 0 if like is None else len(like) // groups
    ones = graph.constant(f"{part.name}.ones", np.ones(size, np.float32))
    return graph.add("LayerNormalization", f"{part.name}.u", a, ones, axis=-1, epsilon=EPS)


def _add_rms(graph: Graph, part: Part, a: str) -> str:
    mean = graph.add(
        "ReduceMean",
        f"{part.name}.mean",
        graph.add("Mul", f"{part.name}.square", a, a),
        axes=[-1],
        keepdims=1,
    )
    eps = graph.constant(f"{part.name}.eps", np.array([EPS], np.float32))
    root = graph.add("Sqrt", f"{part.name}.root", graph.add("Add", f"{part.name}.added", mean, eps))
    return _add_scaled(graph, part, graph.add("Div", f"{part.name}.u", a, root))


def _add_group(graph: Graph, part: Part, a: str) -> str:
    """Normalise each group as a row; 0 keeps the size of an axis."""
    units = 0 if part.gain is None else len(part.gain)
    before = [0, 0] if part.name.endswith("input") else [0]
    grouped = graph.constant(f"{part.name}.grouped", np.array([*before, part.groups, units // part.groups]))
    rows = graph.add("Reshape", f"{part.name}.rows", a, grouped)
    u = _add_rows(graph, part, rows, part.gain, part.groups)
    flat = graph.constant(f"{part.name}.units", np.array([*before, units]))
    return _add_scaled(graph, part, graph.add("Reshape", f"{part.name}.flat", u, flat))


NORMS: dict[NormName, Callable[[Graph, Part, str], str]] = {
    "none": _add_affine,
    "weight": _add_affine,
    "weight_mean_only_batch": _add_affine,
    "batch": _add_affine,
    "layer": _add_layer,
    "rms": _add_rms,
    "group": _add_group,
}
"""The operators of each norm in evaluation."""
