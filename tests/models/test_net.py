"""Whole nets against the reference vectors: logits, loss, gradients, five steps, evaluation."""

from typing import Any

import pytest
import torch
from torch import Tensor

from models.nets.init import initialise
from models.nets.net import Net, loss_and_accuracy, stack, targets_of
from models.training.optimizers import SGD
from tests.models import reference

CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}
CASES = reference.cases("net", "hidden")


def case_id(case: dict[str, Any]) -> str:
    return f"{case['hidden']}{'+init' if case['init'] else ''}"


def prepared(case: dict[str, Any]) -> tuple[Net, Tensor, Tensor]:
    net, x = reference.net(case), reference.tensor(case["x"]).unsqueeze(0)
    [initialise(net, x) for _ in range(case["init"])]
    return net, x, torch.tensor(case["labels"]).unsqueeze(0)


def train(net: Net, x: Tensor, labels: Tensor, rate: float, steps: int) -> list[float]:
    optimizer = SGD(torch.full((1, 1, 1), rate, dtype=torch.float64))
    losses = []
    for step in range(1, steps + 1):
        result = net.backpropagate(x, targets_of(labels, 3, torch.float64))
        losses.append(loss_and_accuracy(result.log_probabilities, labels)[0].item())
        for (name, layer), gradients in zip(net.layers.items(), result.gradients, strict=True):
            optimizer.update(name, layer, gradients, step)
    return losses


def named(params: list[dict[str, Any]], buffers: list[dict[str, Any]]) -> dict[str, Tensor]:
    layers = zip(("hidden1", "output"), params, buffers, strict=True)
    return {
        f"{layer}.{key}": value
        for layer, values, running in layers
        for key, value in reference.rename(values, running).items()
    }


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_a_net_computes_the_reference_logits(case: dict[str, Any]) -> None:
    net, x, _ = prepared(case)

    logits, _ = net.forward(x, training=True)

    torch.testing.assert_close(logits[0], reference.tensor(case["logits"]), **CLOSE)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_a_net_computes_the_reference_gradients(case: dict[str, Any]) -> None:
    net, x, labels = prepared(case)

    result = net.backpropagate(x, targets_of(labels, 3, torch.float64))

    found = {
        f"{name}.{key}": value
        for (name, layer), gradients in zip(net.layers.items(), result.gradients, strict=True)
        for key, value in gradients.by_tensor(layer.weight).items()
    }
    torch.testing.assert_close(found, named(case["grads"], [{}, {}]), **CLOSE)
    loss, _ = loss_and_accuracy(result.log_probabilities, labels)
    torch.testing.assert_close(loss.item(), case["loss"], **CLOSE)


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_training_reaches_the_reference_parameters(case: dict[str, Any], steps: int) -> None:
    net, x, labels = prepared(case)

    losses = train(net, x, labels, case["lr"], steps)

    after = case[f"params_after_step{steps}"], case.get(f"buffers_after_step{steps}", [{}, {}])
    expected = named(*after)
    torch.testing.assert_close({name: net.tensors()[name] for name in expected}, expected, **CLOSE)
    torch.testing.assert_close(losses, case["losses_5_steps"][:steps], **CLOSE)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_evaluation_after_training_gives_the_reference_logits(case: dict[str, Any]) -> None:
    net, x, labels = prepared(case)
    train(net, x, labels, case["lr"], 5)

    logits, _ = net.forward(reference.tensor(case["second_batch"]).unsqueeze(0), training=False)

    torch.testing.assert_close(logits[0], reference.tensor(case["eval_logits_second_batch"]), **CLOSE)


def test_a_stacked_net_holds_each_net_unchanged() -> None:
    nets = [prepared(case)[0] for case in CASES if case["hidden"] == "batch"]

    stacked = stack(nets)

    assert [stacked.run(place).tensors().keys() for place in range(2)] == [
        net.tensors().keys() for net in nets
    ]
    torch.testing.assert_close(
        [stacked.run(place).tensors() for place in range(2)], [net.tensors() for net in nets]
    )
