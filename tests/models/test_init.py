"""Data-dependent initialisation against the reference vectors and its contract."""

import statistics
from typing import Any

import pytest
import torch
from torch import Tensor

from models.data.digits import Digits
from models.nets.init import Histogram, initialise, initialise_layer
from models.nets.layers import Dense
from models.nets.norms import NORM_TYPES
from models.nets.tensor_stats import TensorStats
from models.specs.facts import NORMS
from models.specs.spec import TrainSpec
from models.training.loop import Run, Training
from models.training.start import build
from tests.models import reference

CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
CASES = reference.cases("layer_init")


def case_id(case: dict[str, Any]) -> str:
    return f"{case['kind']}-{case['scale']}" + ("-degenerate" if "note" in case else "")


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_init_sets_the_reference_parameters(case: dict[str, Any]) -> None:
    layer = reference.dense(case["kind"], case["params_before"], case.get("buffers_before"))

    found = initialise_layer(layer, reference.tensor(case["x"]).unsqueeze(0), case["scale"])

    expected = reference.rename(case["params_after"], case.get("buffers_after"))
    torch.testing.assert_close({name: layer.tensors()[name] for name in expected}, expected, **CLOSE)
    assert int((~found.varies).sum()) == case["degenerate_units"]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_init_gives_the_reference_pre_activations(case: dict[str, Any]) -> None:
    layer = reference.dense(case["kind"], case["params_before"], case.get("buffers_before"))
    x = reference.tensor(case["x"]).unsqueeze(0)
    initialise_layer(layer, x, case["scale"])

    z, _ = layer.forward(x, training=True)

    torch.testing.assert_close(z[0], reference.tensor(case["z_train_after"]), **CLOSE)


@pytest.mark.parametrize("case", [case for case in CASES if "second_batch" in case], ids=case_id)
def test_evaluation_works_right_after_init(case: dict[str, Any]) -> None:
    layer = reference.dense(case["kind"], case["params_before"], case["buffers_before"])
    initialise_layer(layer, reference.tensor(case["x"]).unsqueeze(0), case["scale"])

    z, _ = layer.forward(reference.tensor(case["second_batch"]).unsqueeze(0), training=False)

    torch.testing.assert_close(z[0], reference.tensor(case["z_eval_on_second_batch"]), **CLOSE)


def random_layer(kind: str) -> tuple[Dense, Tensor]:
    torch.manual_seed(3)
    weight = torch.randn(2, 20, 8, dtype=torch.float64)
    return Dense(weight, NORM_TYPES[kind].create(weight, 2)), torch.randn(2, 64, 20, dtype=torch.float64)


@pytest.mark.parametrize("kind", NORM_TYPES)
def test_every_unit_starts_with_mean_0_and_the_wanted_deviation(kind: str) -> None:
    layer, x = random_layer(kind)

    initialise_layer(layer, x, scale=0.5)

    z, _ = layer.forward(x, training=True)
    torch.testing.assert_close(z.mean(1), torch.zeros(2, 8, dtype=torch.float64), rtol=0, atol=1e-9)
    torch.testing.assert_close(
        z.std(1, correction=0), torch.full((2, 8), 0.5, dtype=torch.float64), rtol=1e-8, atol=0
    )


@pytest.mark.parametrize("kind", NORM_TYPES)
def test_init_twice_changes_nothing(kind: str) -> None:
    layer, x = random_layer(kind)
    initialise_layer(layer, x, scale=1.0)
    once = layer.map(Tensor.clone).tensors()

    initialise_layer(layer, x, scale=1.0)

    torch.testing.assert_close(layer.tensors(), once, rtol=1e-8, atol=1e-8)


def test_init_makes_a_plain_net_independent_of_weight_std() -> None:
    x = torch.rand(1, 64, 784, dtype=torch.float64)
    nets = [build(TrainSpec(init=True, weight_std=std))[0].map(Tensor.double) for std in (0.01, 1.0)]

    [initialise(net, x) for net in nets]

    torch.testing.assert_close(nets[0].tensors(), nets[1].tensors(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_every_layer_of_a_net_starts_with_mean_0_and_deviation_1(norm: Any) -> None:
    spec = TrainSpec(norm=norm, init=True, n_hidden=3, n_units=64, activation="tanh")
    net, x = build(spec)[0].map(Tensor.double), torch.rand(1, 64, 784, dtype=torch.float64)

    initialise(net, x)

    # What a layer has taken in is in the tapes: its z once more.
    _, tapes = net.forward(x, training=True)
    zs = [
        layer.forward(tape.x, training=True)[0]
        for layer, tape in zip(net.layers.values(), tapes, strict=True)
    ]
    spread = torch.cat([torch.cat([z.mean(1), z.std(1, correction=0)]) for z in zs], 1)
    expected = torch.tensor([[0.0], [1.0]], dtype=torch.float64).expand_as(spread)
    torch.testing.assert_close(spread, expected, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
def test_a_net_with_init_starts_with_the_loss_of_logits_of_deviation_1(norm: Any, digits: Digits) -> None:
    specs = [TrainSpec(norm=norm, init=True, steps=1, seed=seed) for seed in range(8)]

    spans = next(Training([Run(spec) for spec in specs], digits).spans())

    # A net draws 2.71 ± 0.19; the mean of 8 is within three of its deviations, and far from ln 10 = 2.30.
    assert statistics.mean(span.rows[0].train_loss for span in spans) == pytest.approx(2.71, abs=0.2)


def test_the_report_of_init_has_the_statistics_before_and_after() -> None:
    net, _ = build(TrainSpec(norm="weight", init=True, n_units=16))
    x = torch.rand(1, 64, 784)
    before, _ = net.layers["hidden1"].forward(x, training=True)

    hidden, output = initialise(net, x)

    assert (hidden.layer, output.layer, hidden.degenerate_units) == ("hidden1", "output", 0)
    assert hidden.z_before == TensorStats.of(before)
    assert (hidden.z_after.mean, hidden.z_after.sd) == pytest.approx((0, 1), abs=1e-5)
    assert hidden.gain == TensorStats.of(net.layers["hidden1"].norm.gain)
    assert output.shift == TensorStats.of(net.layers["output"].norm.shift)


def test_the_histogram_of_init_counts_every_pre_activation_on_one_axis() -> None:
    before, after = torch.tensor([[-1.0, 0.0], [0.0, 3.0]]), torch.tensor([[0.0, 1.0], [2.0, 3.0]])

    found = Histogram.of(before, after)

    assert found is not None
    assert (found.low, found.high, len(found.before)) == (-1.0, 3.0, 40)
    assert [found.before[place] for place in (0, 10, 39)] == [1, 2, 1]
    assert [found.after[place] for place in (10, 20, 30, 39)] == [1, 1, 1, 1]
    assert Histogram.of(before, torch.tensor([float("inf")])) is None
