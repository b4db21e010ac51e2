"""Convolutions with every norm: against the reference vectors, against torch's modules, and exactly."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.nets import norms
from models.nets.init import initialise
from models.nets.net import Net
from models.specs.facts import NORMS
from models.specs.spec import TrainSpec
from models.training.checkpoint import unstacked
from models.training.start import build
from tests.models import reference_nets
from tests.models.formulas import FORMULAS
from tests.models.reference_nets import unsettled_net

CASES = reference_nets.VECTORS["conv"]
CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
TOLERANCES: dict[str, dict[str, Any]] = {**dict.fromkeys(NORMS, CLOSE), "group": {"rtol": 1e-9, "atol": 1e-9}}
GROUPS, ROWS = 2, 6
SMALL: dict[str, Any] = {"net": "conv", "n_units": 4, "kernel_size": 3}
Tensors = dict[str, Tensor]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_net_computes_the_reference_vectors(case: dict[str, Any]) -> None:
    reference_nets.check_case(case, reference_nets.conv_net(case), **TOLERANCES[case["spec"]["norm"]])


def logits_by_torch(spec: TrainSpec, tensors: Tensors, x: Tensor) -> Tensor:
    """The logits [rows, classes] of one run, by torch's functions; running statistics move."""
    *hidden, output = spec.plan()
    x = x.view(-1, 1, 28, 28)
    for plan in hidden:
        own, size = reference_nets.of_layer(tensors, plan.name), spec.kernel_size
        kernels = own["weight"].view(size, size, -1, plan.n_units).permute(3, 2, 0, 1)
        a = functional.conv2d(x, kernels, stride=spec.stride, padding=(size - 1) // 2)
        x = FORMULAS[plan.norm](a, own, GROUPS, True).relu()
    own = reference_nets.of_layer(tensors, output.name)
    a = x.permute(0, 2, 3, 1).flatten(1) @ own["weight"]
    return FORMULAS[output.norm](a, own, GROUPS, True)


def drawn_batch(runs: int = 2) -> tuple[Tensor, Tensor]:
    return torch.rand(runs, ROWS, 784, dtype=torch.float64), torch.randint(10, (runs, ROWS))


@pytest.mark.parametrize(("norm", "scope"), reference_nets.IN_SCOPES)
@pytest.mark.parametrize("stride", [1, 2])
def test_every_gradient_and_statistic_agrees_with_torch(norm: Any, scope: Any, stride: Any) -> None:
    groups: dict[str, Any] = {"groups": GROUPS} if norm == "group" else {}
    spec = TrainSpec(**SMALL, **groups, norm=norm, scope=scope, stride=stride)
    net, (x, labels) = unsettled_net(spec, runs=2), drawn_batch()
    start = [{name: value.clone() for name, value in unstacked(net.run(run)).items()} for run in range(2)]

    gradients = reference_nets.gradients_of(net, x, labels)

    for run, tensors in enumerate(start):
        trained = {name: value.requires_grad_() for name, value in tensors.items() if "running" not in name}
        loss = functional.cross_entropy(logits_by_torch(spec, tensors, x[run]), labels[run])
        expected = dict(zip(trained, torch.autograd.grad(loss, [*trained.values()]), strict=True))
        found = {name: gradients[name][run].reshape(expected[name].shape) for name in expected}
        torch.testing.assert_close(found, expected, **TOLERANCES[norm])
        running = {name: value for name, value in unstacked(net.run(run)).items() if "running" in name}
        torch.testing.assert_close(running, {name: tensors[name] for name in running}, **CLOSE)


def stretched(net: Net, layer: str, factor: Tensor | float) -> Net:
    found = net.map(Tensor.clone)
    found.layers[layer].weight.mul_(factor)
    return found


def logits(net: Net, x: Tensor) -> Tensor:
    return net.map(Tensor.clone).forward(x, training=True)[0]


@pytest.mark.parametrize("norm", [norm for norm, facts in NORMS.items() if facts.scale_free])
def test_the_scale_of_the_weights_has_no_effect(norm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(norms, "EPS", 0.0)
    groups: dict[str, Any] = {"groups": GROUPS} if norm == "group" else {}
    net, (x, _) = unsettled_net(TrainSpec(**SMALL, **groups, norm=norm)), drawn_batch(1)
    by_channel = NORMS[norm].over_batch or NORMS[norm].of_weights

    found = logits(stretched(net, "conv2", torch.arange(1.0, 5.0) if by_channel else 3.0), x)

    torch.testing.assert_close(found, logits(net, x), **CLOSE)


def test_weight_norm_without_init_starts_as_the_unnormalised_net() -> None:
    nets = [build(TrainSpec(**SMALL, norm=norm))[0].map(Tensor.double) for norm in ("none", "weight")]
    x, _ = drawn_batch(1)

    plain, weighted = (logits(net, x) for net in nets)

    torch.testing.assert_close(weighted, plain, rtol=1e-6, atol=1e-6)  # float32 draws their gains


@pytest.mark.parametrize("norm", NORMS)
def test_a_row_depends_on_others_only_by_statistics_of_the_batch(norm: Any) -> None:
    groups: dict[str, Any] = {"groups": GROUPS} if norm == "group" else {}
    net, (x, _) = unsettled_net(TrainSpec(**SMALL, **groups, norm=norm)), drawn_batch(1)
    others = torch.cat([x[:, :1], torch.rand_like(x[:, 1:])], 1)

    in_training, in_evaluation = (
        torch.equal(*(net.map(Tensor.clone).forward(each, training)[0][:, :1] for each in (x, others)))
        for training in (True, False)
    )

    assert in_evaluation
    assert in_training == (not NORMS[norm].over_batch)


@pytest.mark.parametrize("norm", NORMS)
def test_every_channel_starts_with_mean_0_and_deviation_1(norm: Any) -> None:
    groups: dict[str, Any] = {"groups": GROUPS} if norm == "group" else {}
    net, (x, _) = unsettled_net(TrainSpec(**SMALL, **groups, norm=norm)), drawn_batch(1)

    report = initialise(net, x)
    once = net.map(Tensor.clone).tensors()
    initialise(net, x)

    _, tapes = net.map(Tensor.clone).forward(x, training=True)
    for layer, tape in zip(net.layers.values(), tapes, strict=True):
        z, _ = layer.map(Tensor.clone).forward(tape.x, training=True)
        units = z.transpose(1, 2).flatten(2)
        torch.testing.assert_close(units.mean(-1), torch.zeros_like(units[..., 0]), rtol=0, atol=1e-8)
        torch.testing.assert_close(
            units.std(-1, correction=0), torch.ones_like(units[..., 0]), rtol=0, atol=1e-6
        )
    assert [each.layer for each in report] == ["conv1", "conv2", "output"]
    torch.testing.assert_close(net.tensors(), once, rtol=1e-7, atol=1e-7)
