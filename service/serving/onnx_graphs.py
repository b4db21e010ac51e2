"""Nets as ONNX models; imported with the first export, because torch and onnx take long to import."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from models.nets.layers import Dense
from models.nets.net import Net
from models.nets.norm import Norm
from models.nets.norms import GroupNorm, LayerNorm, RMSNorm, Unnormalised
from models.specs.facts import EPS
from models.specs.spec import N_CLASSES, N_IN, Activation

OPSET, IR_VERSION = 17, 8
"""The oldest that have LayerNormalization: ONNX Runtime 1.12 and all later ones run them."""
ACTIVATIONS: dict[Activation, str] = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}
INPUT, OUTPUTS = "pixels", ("logits", "probabilities")


class Graph:
    """The nodes and constants of a graph, in the order in which they compute."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        """Add a constant; return its name."""
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def add(self, operator: str, output: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; return the name of the output."""
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output


def build_model(net: Net, properties: Mapping[str, str]) -> ModelProto:
    """Return a model of a net of one run: pixels [N, 784] to logits and probabilities [N, 10], in float32."""
    graph = Graph()
    value = INPUT
    *hidden, (last, output) = net.layers.items()
    for name, layer in hidden:
        z = _add_layer(graph, name, layer, value, f"{name}.z")
        value = graph.add(ACTIVATIONS[net.activation], f"{name}.h", z)
    _add_layer(graph, last, output, value, "logits")
    graph.add("Softmax", "probabilities", "logits", axis=-1)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "normserve",
            [_value(INPUT, N_IN)],
            [_value(name, N_CLASSES) for name in OUTPUTS],
            graph.constants,
        ),
        producer_name="normserve",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(model, dict(properties))
    return model


def run_reference(model: ModelProto, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute logits and probabilities with onnx's reference implementation, which is NumPy."""
    with np.errstate(over="ignore", invalid="ignore"):  # its sigmoid drops what exp(z) of a large z gives
        logits, probabilities = ReferenceEvaluator(model).run(list(OUTPUTS), {INPUT: pixels})
    return np.asarray(logits), np.asarray(probabilities)


def _value(name: str, width: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width])


def _add_layer(graph: Graph, name: str, layer: Dense, x: str, z: str) -> str:
    tensors = {
        key: graph.constant(f"{name}.{key}", tensor[0].numpy() if key == "weight" else tensor[0, 0].numpy())
        for key, tensor in layer.tensors().items()
    }
    if isinstance(layer.norm, Unnormalised):
        return graph.add("Gemm", z, x, tensors["weight"], tensors["shift"])
    a = graph.add("MatMul", f"{name}.a", x, tensors["weight"])
    return NORMS[type(layer.norm)](graph, name, layer, [a, tensors["gain"], tensors["shift"]], z)


def _add_layer_norm(graph: Graph, _name: str, _layer: Dense, inputs: Sequence[str], z: str) -> str:
    return graph.add("LayerNormalization", z, *inputs, axis=-1, epsilon=EPS)


def _add_rms_norm(graph: Graph, name: str, _layer: Dense, inputs: Sequence[str], z: str) -> str:
    a, gain, shift = inputs
    square = graph.add("Mul", f"{name}.square", a, a)
    mean = graph.add("ReduceMean", f"{name}.mean", square, axes=[-1], keepdims=1)
    added = graph.add(
        "Add", f"{name}.added", mean, graph.constant(f"{name}.eps", np.array([EPS], np.float32))
    )
    u = graph.add("Div", f"{name}.u", a, graph.add("Sqrt", f"{name}.root", added))
    return graph.add("Add", z, graph.add("Mul", f"{name}.scaled", u, gain), shift)


def _add_group_norm(graph: Graph, name: str, layer: Dense, inputs: Sequence[str], z: str) -> str:
    """Normalise each group as a row: GroupNormalization needs places, and scales groups before opset 21."""
    a, gain, shift = inputs
    n_units, groups = layer.weight.shape[2], vars(layer.norm)["groups"]
    # 0 keeps the size of the batch, which may be 0 itself.
    grouped = graph.constant(f"{name}.grouped", np.array([0, groups, n_units // groups]))
    ones = graph.constant(f"{name}.ones", np.ones(n_units // groups, np.float32))
    rows = graph.add("Reshape", f"{name}.rows", a, grouped)
    u = graph.add("LayerNormalization", f"{name}.u", rows, ones, axis=-1, epsilon=EPS)
    flat = graph.add("Reshape", f"{name}.flat", u, graph.constant(f"{name}.units", np.array([0, n_units])))
    return graph.add("Add", z, graph.add("Mul", f"{name}.scaled", flat, gain), shift)


NORMS: dict[type[Norm], Callable[[Graph, str, Dense, Sequence[str], str], str]] = {
    LayerNorm: _add_layer_norm,
    RMSNorm: _add_rms_norm,
    GroupNorm: _add_group_norm,
}
"""The operators of the norms that cannot be folded."""
