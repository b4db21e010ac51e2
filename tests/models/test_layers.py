"""Every layer against the reference vectors, in float64."""

from typing import Any

import pytest
import torch
from torch import Tensor

from models.nets.layers import Dense
from tests.models import reference

CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
LAYERS = reference.cases("layer")


def layer_gradients(layer: Dense, x: Tensor, dz: Tensor, training: bool) -> dict[str, Tensor]:
    _, tape = layer.forward(x, training)
    gradients = layer.backward(dz, tape)
    return {**gradients.by_tensor(layer.weight), "x": layer.input_gradient(gradients)}


def case_id(case: dict[str, Any]) -> str:
    return f"{case['kind']}-{case['mode']}"


@pytest.mark.parametrize("case", LAYERS, ids=case_id)
def test_a_layer_computes_the_reference_pre_activations(case: dict[str, Any]) -> None:
    layer = reference.dense(case["kind"], case["params"], case.get("buffers_before"))

    z, _ = layer.forward(reference.tensor(case["x"]).unsqueeze(0), case["mode"] == "train")

    torch.testing.assert_close(z[0], reference.tensor(case["z"]), **CLOSE)


@pytest.mark.parametrize("case", LAYERS, ids=case_id)
def test_a_layer_computes_the_reference_gradients(case: dict[str, Any]) -> None:
    layer = reference.dense(case["kind"], case["params"], case.get("buffers_before"))
    x, dz = reference.tensor(case["x"]).unsqueeze(0), reference.tensor(case["dz"]).unsqueeze(0)

    gradients = layer_gradients(layer, x, dz, case["mode"] == "train")

    expected = {**reference.rename(case["grads"]), "x": reference.tensor(case["dx"]).unsqueeze(0)}
    torch.testing.assert_close(gradients, expected, **CLOSE)


@pytest.mark.parametrize("case", [case for case in LAYERS if "buffers_after" in case], ids=case_id)
def test_running_statistics_move_as_in_the_reference(case: dict[str, Any]) -> None:
    layer = reference.dense(case["kind"], case["params"], case["buffers_before"])

    layer.forward(reference.tensor(case["x"]).unsqueeze(0), case["mode"] == "train")

    expected = reference.rename({}, case["buffers_after"])
    torch.testing.assert_close({name: layer.norm.tensors()[name] for name in expected}, expected, **CLOSE)
