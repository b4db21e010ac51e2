"""Nets as ONNX models; imported with the first export, because torch and onnx take long to import."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper
from onnx.reference import ReferenceEvaluator

from models.nets.conv import Conv
from models.nets.layers import Dense, Flattened, Layer
from models.nets.lstm import Lstm
from models.nets.net import Net
from models.nets.norms import Unnormalised
from models.specs.plan import ConvWindow
from models.specs.spec import N_CLASSES, N_IN, Activation
from service.serving.onnx_lstm import add_lstm
from service.serving.onnx_nodes import Graph
from service.serving.onnx_norms import add_norm

OPSET, IR_VERSION = 17, 8
"""The oldest that have LayerNormalization: ONNX Runtime 1.12 and all later ones run them."""
ACTIVATIONS: dict[Activation, str] = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}
INPUT, OUTPUTS = "pixels", ("logits", "probabilities")


def build_model(net: Net, properties: Mapping[str, str]) -> ModelProto:
    """Return a model of a net of one run: pixels [N, 784] to logits and probabilities [N, 10], in float32."""
    graph = Graph()
    value = INPUT
    *hidden, (last, output) = net.layers.items()
    for name, layer in hidden:
        z = _add_layer(graph, name, layer, value, f"{name}.z")
        value = graph.add(ACTIVATIONS[net.activation], f"{name}.h", z) if layer.activates else z
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


def _add_layer(graph: Graph, name: str, layer: Layer, x: str, z: str) -> str:
    """Add the product of a layer, and its norm if it has one left."""
    if isinstance(layer, Lstm):
        return add_lstm(graph, name, layer, x, z)
    plain = isinstance(layer.norm, Unnormalised)
    bias = [graph.constant(f"{name}.shift", layer.norm.shift[0, 0].numpy())] if plain else []
    a = PRODUCTS[type(layer)](graph, name, layer, [x, *bias], z if plain else f"{name}.a")
    return a if plain else add_norm(graph, name, layer, a, z)


def _add_dense(graph: Graph, name: str, layer: Layer, inputs: Sequence[str], a: str) -> str:
    x, *bias = inputs
    weight = graph.constant(f"{name}.weight", layer.weight[0].numpy())
    return graph.add("Gemm" if bias else "MatMul", a, x, weight, *bias)


def _add_flattened(graph: Graph, name: str, layer: Layer, inputs: Sequence[str], a: str) -> str:
    """Flatten [N, units, height, width] as (y, x, unit) first."""
    x, *bias = inputs
    moved = graph.add("Transpose", f"{name}.moved", x, perm=[0, 2, 3, 1])
    shape = graph.constant(f"{name}.inputs", np.array([0, layer.weight.shape[1]]))
    return _add_dense(graph, name, layer, [graph.add("Reshape", f"{name}.x", moved, shape), *bias], a)


def _add_conv(graph: Graph, name: str, layer: Layer, inputs: Sequence[str], a: str) -> str:
    x, *bias = inputs
    window: ConvWindow = vars(layer)["window"]
    if x == INPUT:
        image = graph.constant(f"{name}.image", np.array([0, window.channels, window.side, window.side]))
        x = graph.add("Reshape", f"{name}.x", x, image)
    patches = layer.weight[0].numpy().reshape(window.size, window.size, window.channels, -1)
    kernels = graph.constant(f"{name}.weight", np.ascontiguousarray(patches.transpose(3, 2, 0, 1)))
    padding = (window.size - 1) // 2
    options = {"pads": [padding] * 4, "strides": [window.stride] * 2, "kernel_shape": [window.size] * 2}
    return graph.add("Conv", a, x, kernels, *bias, **options)


PRODUCTS: dict[type[Layer], Callable[[Graph, str, Layer, Sequence[str], str], str]] = {
    Dense: _add_dense,
    Flattened: _add_flattened,
    Conv: _add_conv,
}
"""The products of each kind of layer: of x, and plus a bias if there is one."""
