"""Data-dependent initialisation against the reference vectors and its contract."""

from typing import Any

import pytest
import torch
from torch import Tensor

from models.init import Summary, initialise, initialise_layer
from models.layers import Dense
from models.net import NORM_TYPES, build
from models.spec import TrainSpec
from tests.models import reference

CLOSE = {"rtol": 1e-10, "atol": 1e-10}
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
    return Dense(weight, NORM_TYPES[kind].fresh(weight, 2)), torch.randn(2, 64, 20, dtype=torch.float64)


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
    x = torch.rand(1, 64, 784)
    narrow, _ = build(TrainSpec(init=True, weight_std=0.01))
    wide, _ = build(TrainSpec(init=True, weight_std=1.0))

    initialise(narrow, x)
    initialise(wide, x)

    torch.testing.assert_close(narrow.tensors(), wide.tensors(), rtol=1e-4, atol=1e-4)


def test_the_report_tells_what_init_found_and_made_of_it() -> None:
    net, _ = build(TrainSpec(norm="weight", init=True, n_units=16))
    x = torch.rand(1, 64, 784)
    before, _ = net.layers["hidden1"].forward(x, training=True)

    hidden, output = initialise(net, x)

    assert (hidden.layer, output.layer, hidden.degenerate_units) == ("hidden1", "output", 0)
    assert hidden.z_before == Summary.of(before)
    assert (hidden.z_after.mean, hidden.z_after.std) == pytest.approx((0, 1), abs=1e-5)
    assert hidden.gain == Summary.of(net.layers["hidden1"].norm.gain)
    assert output.shift == Summary.of(net.layers["output"].norm.shift)
