"""A recurrent layer as ONNX nodes: its time steps one after another, each with its own statistics."""

from collections.abc import Mapping

import numpy as np

from models.nets.lstm import Lstm
from models.specs.facts import NORMS
from models.specs.facts import Norm as NormName
from service.serving.onnx_nodes import Graph, Numbers
from service.serving.onnx_norms import RecurrentPart, add_norm_of_part, affine


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
    inputs = add_norm_of_part(graph, layer.kind, parts["input"], a)
    weight = graph.constant(f"{name}.state.weight", own["state.weight"])
    h = c = None
    for step in range(len(layer.pixels)):
        index = graph.constant(f"{name}.{step}", np.array(step))
        of_input = graph.add("Gather", f"{name}.input.{step}", inputs, index, axis=0)
        state = _add_state(graph, layer.kind, parts["state"].at(step), h, weight)
        gates = of_input if state is None else graph.add("Add", f"{name}.gates.{step}", of_input, state)
        c, o = _add_cells(graph, f"{name}.{step}", gates, c)
        cell = add_norm_of_part(graph, layer.kind, parts["cell"].at(step), c) if "cell.gain" in own else c
        out = graph.add("Tanh", f"{name}.out.{step}", cell)
        h = graph.add("Mul", z if step == len(layer.pixels) - 1 else f"{name}.h.{step}", o, out)
    return z


def _part(layer: Lstm, part: str, own: Mapping[str, Numbers]) -> RecurrentPart:
    mean, var = own.get(f"{part}.running_mean"), own.get(f"{part}.running_var")
    if part == "input":  # all its steps at once: (steps, 1, units)
        mean, var = (None if each is None else each[:, None] for each in (mean, var))
    groups = layer.groups * (1 if part == "cell" else 4) if NORMS[layer.kind].in_groups else 1
    affine = own.get(f"{part}.gain"), own.get(f"{part}.shift")
    return RecurrentPart(f"lstm1.{part}", *affine, mean, var, groups, batch_axes=2 if part == "input" else 1)


def _add_state(graph: Graph, kind: NormName, part: RecurrentPart, h: str | None, weight: str) -> str | None:
    """Add N_h(h W_h); the first h is 0, and so is what every norm makes of it, except for a constant."""
    if h is not None:
        return add_norm_of_part(graph, kind, part, graph.add("MatMul", f"{part.name}.a", h, weight))
    if part.mean is None:
        return None
    _, offset = affine(part)
    return graph.constant(f"{part.name}.first", offset)


def _add_cells(graph: Graph, name: str, gates: str, c: str | None) -> tuple[str, str]:
    """Add the new c and the output gate; the first c is 0."""
    i, f, g, o = graph.split(gates, [f"{name}.{gate}" for gate in "ifgo"])
    i, f, o = (graph.add("Sigmoid", f"{gate}.open", gate) for gate in (i, f, o))
    new = graph.add("Mul", f"{name}.new", i, graph.add("Tanh", f"{g}.tanh", g))
    if c is None:
        return new, o
    return graph.add("Add", f"{name}.c", graph.add("Mul", f"{name}.kept", f, c), new), o
