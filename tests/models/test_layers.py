"""Every layer against the reference vectors and against autograd, in float64."""

from typing import Any

import pytest
import torch
from torch import Tensor

from models.layers import Dense
from models.net import NORM_TYPES
from models.weight_norms import Weight
from tests.models import reference

CLOSE = {"rtol": 1e-10, "atol": 1e-10}
GROUPS = 2
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


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("kind", NORM_TYPES)
def test_every_gradient_agrees_with_autograd(kind: str, training: bool) -> None:
    torch.manual_seed(7)
    weight = torch.randn(3, 6, 8, dtype=torch.float64)
    layer = Dense(weight, NORM_TYPES[kind].fresh(weight, GROUPS))
    layer = layer.map(lambda tensor: tensor + 0.1 * torch.rand_like(tensor))
    x, dz = torch.randn(3, 5, 6, dtype=torch.float64), torch.randn(3, 5, 8, dtype=torch.float64)

    ours = layer_gradients(layer.map(Tensor.clone), x, dz, training)

    trained = {name: tensor for name, tensor in {**layer.tensors(), "x": x}.items() if name in ours}
    [tensor.requires_grad_() for tensor in trained.values()]
    pure = layer.map(lambda tensor: tensor.clone())
    z, _ = _undisturbed(pure).forward(x, training)
    expected = dict(zip(trained, torch.autograd.grad(z, list(trained.values()), dz), strict=True))
    torch.testing.assert_close({name: ours[name] for name in expected}, expected, **CLOSE)


def _undisturbed(layer: Dense) -> Dense:
    """The same layer in operations that autograd can follow: nothing changed in place."""
    weight, norm = layer.weight, layer.norm

    class Followed(Dense):
        def forward(self, x: Tensor, training: bool) -> tuple[Tensor, Any]:
            a = x @ weight
            if isinstance(norm, NORM_TYPES["none"]):
                return a + norm.shift, None
            if isinstance(norm, NORM_TYPES["weight_mean_only_batch"]):
                s = norm.gain * a / weight.norm(dim=1, keepdim=True)
                mean = s.mean(1, keepdim=True) if training else norm.running_mean
                return s - mean + norm.shift, None
            if isinstance(norm, NORM_TYPES["weight"]):
                return norm.gain * a / weight.norm(dim=1, keepdim=True) + norm.shift, None
            if isinstance(norm, NORM_TYPES["layer"]):
                u = torch.nn.functional.layer_norm(a, a.shape[-1:], eps=1e-5)
            elif isinstance(norm, NORM_TYPES["rms"]):
                u = torch.nn.functional.rms_norm(a, a.shape[-1:], eps=1e-5)
            elif isinstance(norm, NORM_TYPES["group"]):
                grouped = a.reshape(*a.shape[:2], GROUPS, -1)
                u = torch.nn.functional.layer_norm(grouped, grouped.shape[-1:], eps=1e-5).reshape(a.shape)
            elif training:
                u = (a - a.mean(1, keepdim=True)) / (a.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
            else:
                u = (a - norm.running_mean) / (norm.running_var + 1e-5).sqrt()
            return norm.gain * u + norm.shift, None

    return Followed(weight, norm)


def test_weight_norm_without_init_starts_as_the_unnormalised_net() -> None:
    weight, x = torch.randn(2, 6, 8, dtype=torch.float64), torch.randn(2, 5, 6, dtype=torch.float64)

    plain, _ = Dense(weight, NORM_TYPES["none"].fresh(weight, GROUPS)).forward(x, training=True)
    normalised, _ = Dense(weight, Weight.fresh(weight, GROUPS)).forward(x, training=True)

    torch.testing.assert_close(normalised, plain, **CLOSE)


def test_the_length_of_a_weight_vector_does_not_matter_to_weight_norm() -> None:
    weight, x = torch.randn(1, 6, 8, dtype=torch.float64), torch.randn(1, 5, 6, dtype=torch.float64)
    layer = Dense(weight, Weight.fresh(weight, GROUPS))
    stretched = Dense(weight * torch.arange(1.0, 9.0), layer.norm)

    torch.testing.assert_close(stretched.forward(x, True)[0], layer.forward(x, True)[0], **CLOSE)


def test_the_gradient_of_weight_norm_is_orthogonal_to_the_weights() -> None:
    weight, x = torch.randn(1, 6, 8, dtype=torch.float64), torch.randn(1, 5, 6, dtype=torch.float64)
    layer = Dense(weight, Weight.fresh(weight, GROUPS))

    gradient = layer_gradients(layer, x, torch.randn(1, 5, 8, dtype=torch.float64), True)["weight"]

    torch.testing.assert_close((gradient * weight).sum(1), torch.zeros(1, 8, dtype=torch.float64), **CLOSE)


def test_weight_norm_refuses_a_unit_without_direction() -> None:
    with pytest.raises(ValueError, match="all zero"):
        Weight.fresh(torch.zeros(1, 3, 2), GROUPS)


@pytest.mark.parametrize("kind", ["none", "weight", "layer"])
def test_a_row_does_not_depend_on_the_other_rows_in_training(kind: str) -> None:
    weight, x = torch.randn(1, 6, 8, dtype=torch.float64), torch.randn(1, 5, 6, dtype=torch.float64)
    layer = Dense(weight, NORM_TYPES[kind].fresh(weight, GROUPS))

    torch.testing.assert_close(layer.forward(x[:, :1], True)[0], layer.forward(x, True)[0][:, :1], **CLOSE)


def test_layer_norm_ignores_a_vector_added_to_every_column() -> None:
    weight, x = torch.randn(1, 6, 8, dtype=torch.float64), torch.randn(1, 5, 6, dtype=torch.float64)
    norm = NORM_TYPES["layer"].fresh(weight, GROUPS)
    shifted = weight + torch.randn(1, 6, 1, dtype=torch.float64)

    torch.testing.assert_close(
        Dense(shifted, norm).forward(x, True)[0], Dense(weight, norm).forward(x, True)[0]
    )
