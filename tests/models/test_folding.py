"""A folded net computes what the net computes in evaluation, and keeps only norms that need the input."""

from typing import Any

import pytest
import torch

from models.data.digits import Digits
from models.nets.folding import fold
from models.specs.facts import NORMS, Norm
from models.specs.spec import TrainSpec
from models.training.checkpoint import load_net
from models.training.loop import Run, Training
from models.training.start import build

FOLDS = {"none", "weight", "weight_mean_only_batch", "batch"}


@pytest.mark.parametrize("init", [False, True], ids=["", "init"])
@pytest.mark.parametrize("norm", NORMS)
def test_a_folded_net_has_the_same_outputs(norm: Norm, init: bool, digits: Digits) -> None:
    fields: dict[str, Any] = {} if norm == "none" else {"scope": "all"}
    if NORMS[norm].in_groups:
        fields["groups"] = 2
    spec = TrainSpec(norm=norm, init=init, n_units=16, n_hidden=2, steps=40, **fields)
    [*_, [last]] = Training([Run(spec)], digits).spans()
    net = load_net(last.checkpoints[-1].weights, spec).map(torch.Tensor.double)
    x = digits.test.images[:100].double().unsqueeze(0)

    folded = fold(net)

    expected, found = (each.forward(x, training=False)[0] for each in (net, folded))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert [{*layer.tensors()} for layer in folded.layers.values()] == [
        {"weight", "shift"} if norm in FOLDS else {"weight", "gain", "shift"}
    ] * 3


def test_weights_whose_squares_are_0_in_float32_are_folded() -> None:
    net, _ = build(TrainSpec(norm="weight", n_units=4))
    weight = net.layers["hidden1"].weight
    expected = fold(net).layers["hidden1"].weight.clone()
    weight.mul_(2.0**-100)
    weight[..., 0] = 0

    found = fold(net).layers["hidden1"].weight

    torch.testing.assert_close(found[..., 1:], expected[..., 1:], rtol=1e-6, atol=0)
    assert found[..., 0].abs().max() == 0
