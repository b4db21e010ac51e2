"""The first non-finite quantity of a diverged run, which is found by repeating its last span."""

from typing import Any

import pytest
import torch

from models.data.digits import Digits
from models.nets.divergence import (
    NonFinite,
    find_first_non_finite,
    quantities_after_update,
    quantities_before_update,
)
from models.nets.net import Net
from models.specs.spec import TrainSpec
from models.training import loop
from models.training.loop import Run, Span, Training
from models.training.start import build

WILD = TrainSpec(norm="weight", init=True, learning_rate=1e6)


def small_net(**options: Any) -> Net:
    net, _ = build(TrainSpec(n_units=4, n_hidden=2, **options))
    return net


def first_in_step(net: Net, x: torch.Tensor) -> NonFinite | None:
    return find_first_non_finite(
        quantities_before_update(net, x, torch.zeros(1, x.shape[1], dtype=torch.int64)), 7
    )


def last_span(spec: TrainSpec, digits: Digits, *neighbours: TrainSpec) -> Span:
    training = Training([Run(each) for each in (spec, *neighbours)], digits)
    return [span for spans in training.spans() for span in spans if span.run == 0][-1]


def test_a_finite_step_has_no_non_finite_quantity() -> None:
    net = small_net(norm="batch")

    assert first_in_step(net, torch.rand(1, 8, 784)) is None
    assert find_first_non_finite(quantities_after_update(net.tensors()), 7) is None


@pytest.mark.parametrize(
    ("layer", "tensor", "quantity"),
    [
        ("hidden1", "weight", "product"),
        ("hidden2", "weight", "product"),
        ("output", "weight", "product"),
        ("hidden2", "gain", "pre_activation"),
        ("hidden2", "shift", "pre_activation"),
    ],
)
def test_the_first_non_finite_quantity_is_named(layer: str, tensor: str, quantity: str) -> None:
    net = small_net(norm="layer")
    net.tensors()[f"{layer}.{tensor}"].fill_(torch.inf)

    assert first_in_step(net, torch.rand(1, 8, 784)) == (7, layer, quantity)


def test_a_loss_that_overflows_is_named_after_finite_logits() -> None:
    net = small_net()
    # The logits of every row: one far above, the label's far below; each is finite, their distance is not.
    net.tensors()["output.shift"][..., :2] = torch.tensor([-3e38, 3e38])

    assert first_in_step(net, torch.zeros(1, 8, 784)) == (7, "output", "loss")


def test_a_tensor_after_an_update_is_named_with_its_layer() -> None:
    left = {"hidden1.weight": torch.ones(2), "hidden2.weight.square": torch.tensor([1.0, torch.inf])}

    assert find_first_non_finite(quantities_after_update(left), 3) == (3, "hidden2", "weight.square")


def test_the_search_does_not_change_the_net() -> None:
    net = small_net(norm="batch")
    before = {name: tensor.clone() for name, tensor in net.tensors().items()}

    first_in_step(net, torch.rand(1, 8, 784))

    assert all(torch.equal(tensor, before[name]) for name, tensor in net.tensors().items())


@pytest.mark.slow
def test_a_diverged_run_names_the_same_quantity_alone_and_stacked(digits: Digits) -> None:
    alone = last_span(WILD, digits)
    stacked = last_span(WILD, digits, WILD.model_copy(update={"learning_rate": 0.1, "steps": 1000}))

    assert alone.outcome == "diverged"
    assert alone.first_non_finite is not None
    assert alone.first_non_finite.step in {alone.rows[-1].step - 1, alone.rows[-1].step}
    assert stacked.first_non_finite == alone.first_non_finite


def test_the_quantity_is_found_in_a_later_span_too(digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    together = last_span(WILD, digits)
    monkeypatch.setattr(loop, "FIRST_SPAN_SECONDS", 1e-9)
    monkeypatch.setattr(loop, "LONGEST_SPAN_SECONDS", 1e-9)
    monkeypatch.setattr(loop, "SPAN_TO_STORING", 0)

    apart = last_span(WILD, digits)

    assert (len(apart.rows), apart.rows[-1].step) == (1, together.rows[-1].step)
    assert apart.first_non_finite == together.first_non_finite


def test_a_run_that_stays_finite_names_no_quantity(digits: Digits) -> None:
    assert last_span(TrainSpec(learning_rate=1e4, steps=30), digits).first_non_finite is None
