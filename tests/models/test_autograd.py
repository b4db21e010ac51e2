"""Every gradient against autograd through the formulas of the papers, in float64."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.nets.layers import Dense
from models.nets.net import Net, targets_of
from models.nets.norms import NORM_TYPES
from models.specs.facts import NORMS
from models.specs.spec import TrainSpec
from tests.models.formulas import FORMULAS
from tests.models.reference_nets import unsettled, unsettled_net

GROUPS = 2
# Layers alone in both modes; whole nets, where norm none has one scope only.
MODES = [*product(NORMS, (True, False))]
NETS = [
    *product(NORMS, ("relu", "tanh", "sigmoid"), ("hidden",)),
    *product([norm for norm in NORMS if norm != "none"], ("relu", "tanh", "sigmoid"), ("all",)),
]
CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
TOLERANCES: dict[str, dict[str, Any]] = {**dict.fromkeys(NORMS, CLOSE), "group": {"rtol": 1e-9, "atol": 1e-9}}
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}

Tensors = dict[str, Tensor]


def by_formula(kind: str, x: Tensor, own: Tensors, training: bool) -> Tensor:
    """z [runs, rows, units] of all runs of a layer."""
    zs = []
    for run, x_of_run in enumerate(x):
        of_run = {name: tensor[run] for name, tensor in own.items()}
        weight = of_run.pop("weight")
        per_unit = {name: tensor.view(-1) for name, tensor in of_run.items()}
        zs.append(FORMULAS[kind](x_of_run @ weight, {"weight": weight, **per_unit}, GROUPS, training))
    return torch.stack(zs)


def float64(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def followed(tensors: Tensors) -> Tensors:
    """Copies that autograd follows."""
    return {name: tensor.clone().requires_grad_("running" not in name) for name, tensor in tensors.items()}


def gradients_of(value: Tensor, tensors: Tensors) -> Tensors:
    trained = {name: tensor for name, tensor in tensors.items() if tensor.requires_grad}
    return dict(zip(trained, torch.autograd.grad(value, list(trained.values())), strict=True))


def loss_of(net: Net, kinds: list[Any], own: Tensors, x: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of each run, summed over the runs, by the formulas alone."""
    zs = []
    for (name, dense), kind in zip(net.layers.items(), kinds, strict=True):
        zs.append(by_formula(kind, x, {key: own[f"{name}.{key}"] for key in dense.tensors()}, True))
        x = ACTIVATIONS[net.activation](zs[-1])
    return functional.cross_entropy(zs[-1].flatten(0, 1), labels.flatten()) * net.runs


@pytest.mark.parametrize(
    ("kind", "training"),
    MODES,
    ids=[f"{kind}-{'training' if mode else 'evaluation'}" for kind, mode in MODES],
)
def test_every_gradient_of_a_layer_agrees_with_autograd(kind: str, training: bool) -> None:
    torch.manual_seed(7)
    drawn = float64(3, 6, 8)
    dense = Dense(drawn, NORM_TYPES[kind].create(drawn, GROUPS)).map(unsettled)
    x, dz = float64(3, 5, 6), float64(3, 5, 8)
    own = followed({**dense.tensors(), "x": x})
    layer = {name: own[name] for name in dense.tensors()}
    expected = gradients_of((by_formula(kind, own["x"], layer, training) * dz).sum(), own)

    _, tape = dense.forward(x, training)
    gradients = dense.backward(dz, tape)

    found = {**gradients.by_tensor(dense.weight), "x": dense.input_gradient(gradients)}
    torch.testing.assert_close(found, expected, **TOLERANCES[kind])


@pytest.mark.parametrize(("norm", "activation", "scope"), NETS)
def test_every_gradient_of_a_net_agrees_with_autograd(norm: Any, activation: Any, scope: Any) -> None:
    options: dict[str, Any] = {
        "norm": norm,
        "activation": activation,
        "scope": scope,
        "n_hidden": 2,
        "n_units": 16,
    }
    options |= {"groups": GROUPS} if norm == "group" else {}
    spec = TrainSpec(**options)
    net = unsettled_net(spec, runs=2)
    x, labels = torch.rand(2, 12, 784, dtype=torch.float64), torch.randint(10, (2, 12))
    own = followed(net.tensors())
    expected = gradients_of(loss_of(net, [layer.norm for layer in spec.plan()], own, x, labels), own)

    result = net.backpropagate(x, targets_of(labels, dtype=torch.float64))

    layers = zip(net.layers.items(), result.gradients, strict=True)
    found = {
        f"{name}.{key}": gradient
        for (name, dense), gradients in layers
        for key, gradient in gradients.by_tensor(dense.weight).items()
    }
    torch.testing.assert_close(found, expected, **TOLERANCES[norm])
