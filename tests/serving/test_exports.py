"""An exported net has the outputs of the net, in ONNX Runtime and in NumPy, whatever its norm and shape."""

import json
from itertools import product
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors import safe_open

from models.data.digits import Digits
from models.nets.net import Net
from models.specs.facts import NORMS
from models.specs.nets import NETS
from models.specs.spec import TrainSpec
from models.training.checkpoint import load_net
from models.training.loop import Run, Training
from service.serving import exports, nets, onnx_graphs

SHAPES = (("relu", 1), ("tanh", 2), ("sigmoid", 3))
SMALL: dict[str, Any] = {"n_units": 16, "steps": 10}
IN_GROUPS = [norm for norm, facts in NORMS.items() if facts.in_groups]
FOURS = {norm: {"groups": 4} for norm in IN_GROUPS}
"""In groups of two units, the sign of a rounding error would decide."""
IN_ALL: dict[str, dict[str, Any]] = {
    norm: {} if norm == "none" else {"scope": "all", **({"groups": 2} if norm in IN_GROUPS else {})}
    for norm in NORMS
}
"""The output layer has 10 units."""
SPECS: list[dict[str, Any]] = [
    *(
        {"norm": norm, "init": init, "activation": activation, "n_hidden": n_hidden, **FOURS.get(norm, {})}
        for norm, init, (activation, n_hidden) in product(NORMS, (False, True), SHAPES)
    ),
    *({"norm": norm, "scope": "all"} for norm in NORMS if norm not in {"none", *IN_GROUPS}),
    *({"norm": norm, "scope": scope, "groups": 2} for norm in IN_GROUPS for scope in ("hidden", "all")),
    *({"norm": norm, "scope": "hidden"} for norm, facts in NORMS.items() if facts.of_weights),
    *({"norm": norm, "groups": 1} for norm in IN_GROUPS),
    *({"net": "conv", "norm": norm, "init": True, "activation": "tanh", **IN_ALL[norm]} for norm in NORMS),
    *({"net": "lstm", "norm": norm, "init": True, **IN_ALL[norm]} for norm in NORMS),
    *({"net": "conv", "norm": norm, "stride": 1, "groups": 2} for norm in IN_GROUPS),
]


def trained(digits: Digits, fields: dict[str, Any]) -> Net:
    spec = TrainSpec(**SMALL, **fields)
    [*_, [last]] = Training([Run(spec)], digits).spans()
    return load_net(last.checkpoints[-1].weights, spec)


def run(content: bytes, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits and probabilities by ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    logits, probabilities = session.run(["logits", "probabilities"], {"pixels": pixels})
    return logits, probabilities


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
def test_onnx_runtime_and_numpy_compute_what_the_service_predicts(norm: str, digits: Digits) -> None:
    pixels = digits.test.images[:50].numpy()
    for fields in (each for each in SPECS if each["norm"] == norm):
        net = trained(digits, fields)
        content = exports.write_onnx(exports.fold_norms(net), {}, {})

        found = [*run(content, pixels), *onnx_graphs.run_reference(onnx.load_from_string(content), pixels)]

        expected = [*nets.forward(net, pixels)] * 2
        for each, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(each, other, 1e-4, 1e-5, err_msg=str(fields))
        onnx.checker.check_model(content, full_check=True)


@pytest.mark.slow
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("norm", NORMS)
def test_a_model_takes_batches_of_any_size(norm: str, net: str, digits: Digits) -> None:
    content = exports.write_onnx(exports.fold_norms(trained(digits, {"net": net, "norm": norm})), {}, {})
    pixels = digits.test.images[:7].numpy()
    whole, _ = run(content, pixels)

    found = [run(content, pixels[:n])[0] for n in (0, 1, 7)]

    assert [each.shape for each in found] == [(0, 10), (1, 10), (7, 10)]
    np.testing.assert_allclose(found[1], whole[:1], 1e-4, 1e-5)


def test_a_model_describes_itself(digits: Digits) -> None:
    net = exports.fold_norms(trained(digits, {"norm": "layer"}))

    model = onnx.load_from_string(exports.write_onnx(net, {"norm": "layer"}, {"n": 1000}))

    shapes = {
        value.name: [each.dim_param or each.dim_value for each in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"pixels": ["N", 784], "logits": ["N", 10], "probabilities": ["N", 10]}
    assert {each.key: json.loads(each.value) for each in model.metadata_props} == {
        "spec": {"norm": "layer"},
        "export": {"n": 1000},
    }
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)


@pytest.mark.parametrize("write", [exports.write_onnx, exports.write_safetensors])
def test_equal_nets_give_equal_files(write: Any, digits: Digits) -> None:
    files = {
        write(exports.fold_norms(trained(digits, {"norm": "group"})), {"b": 1, "a": 2}, {"n": 1})
        for _ in "12"
    }

    assert len(files) == 1


def test_a_safetensors_file_has_only_what_is_left_of_the_norms(digits: Digits, tmp_path: Any) -> None:
    content = exports.write_safetensors(
        exports.fold_norms(trained(digits, {"norm": "batch"})), {"n": 1}, {"m": 2}
    )
    (tmp_path / "net.safetensors").write_bytes(content)

    with safe_open(tmp_path / "net.safetensors", "numpy") as file:
        names, metadata = {*file.keys()}, file.metadata()

    assert names == {f"{layer}.{key}" for layer in ("hidden1", "output") for key in ("weight", "shift")}
    assert {key: json.loads(value) for key, value in metadata.items()} == {
        "spec": {"n": 1, "export": {"m": 2}}
    }
