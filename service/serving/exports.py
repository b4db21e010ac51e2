"""Files of exported nets, in torch; imported with the first export, because torch takes a second."""

import json
from collections.abc import Mapping

import numpy as np
from safetensors.torch import save

from models.nets.folding import fold
from models.nets.net import Net
from models.nets.norms import NORM_TYPES, Unnormalised
from models.training.checkpoint import unstacked
from models.training.loop import prepare_thread
from service.serving import onnx_graphs

Facts = Mapping[str, object]


def write_safetensors(net: Net, spec: Facts, export: Facts) -> bytes:
    """Write the tensors of a folded net; equal nets with equal facts give equal bytes."""
    # With two keys of metadata, safetensors writes them in any order.
    return save(unstacked(net), metadata={"spec": _canonical({**spec, "export": export})})


def write_onnx(net: Net, spec: Facts, export: Facts) -> bytes:
    """Write a folded net as an ONNX model; equal nets with equal facts give equal bytes."""
    properties = {"spec": _canonical(spec), "export": _canonical(export)}
    content: bytes = onnx_graphs.build_model(net, properties).SerializeToString()
    return content


def fold_norms(net: Net) -> Net:
    """Return the net to export."""
    prepare_thread()
    return fold(net)


def norms_left(net: Net) -> dict[str, str]:
    """Return the norm of each layer of a folded net that still has one, by the name of the layer."""
    names = {kind: name for name, kind in NORM_TYPES.items()}
    return {
        name: names[type(layer.norm)]
        for name, layer in net.layers.items()
        if not isinstance(layer.norm, Unnormalised)
    }


def compute(net: Net, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute logits and probabilities of pixels [rows, 784] with the exported ONNX graph, in NumPy."""
    return onnx_graphs.run_reference(onnx_graphs.build_model(net, {}), pixels)


def _canonical(facts: Facts) -> str:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))
