"""Every optimizer against torch.optim, in float64, on a stack of runs with different learning rates."""

from typing import Any

import pytest
import torch
from torch import Tensor

from models.nets.layers import Dense, LayerGradients
from models.nets.net import Net
from models.nets.norm import NormGradients
from models.nets.norms import NORM_TYPES
from models.specs.spec import TrainSpec
from models.training.optimizers import create_optimizer, initial_state

RATES = [0.1, 0.03]
STEPS = 5
TORCH: dict[str, Any] = {
    "sgd": lambda tensors, rate, decay: torch.optim.SGD(tensors, rate, weight_decay=decay),
    "momentum": lambda tensors, rate, decay: torch.optim.SGD(tensors, rate, 0.9, weight_decay=decay),
    "adam": lambda tensors, rate, decay: torch.optim.Adam(tensors, rate, weight_decay=decay),
}


def layer_and_gradients() -> tuple[Dense, list[LayerGradients]]:
    torch.manual_seed(1)
    weight = torch.randn(2, 6, 4, dtype=torch.float64)
    layer = Dense(weight, NORM_TYPES["weight"].create(weight, 2))
    draw = [
        torch.randn(2, rows, n, dtype=torch.float64) for rows, n in ((5, 6), (5, 4), (1, 4), (1, 4), (1, 4))
    ]
    x, da, gain, shift, projection = draw
    return layer, [
        LayerGradients(x * step, NormGradients(da.clone(), gain, shift, projection))
        for step in range(1, STEPS + 1)
    ]


def by_torch(
    name: str, layer: Dense, gradients: list[LayerGradients], run: int, decay: float
) -> dict[str, Tensor]:
    tensors = {key: tensor[run].clone() for key, tensor in layer.tensors().items()}
    decayed = TORCH[name]([tensors["weight"]], RATES[run], decay)
    plain = TORCH[name]([tensors["gain"], tensors["shift"]], RATES[run], 0)
    for each in gradients:
        stacked = tensors["weight"].expand(2, -1, -1)
        for key, gradient in each.by_tensor(stacked).items():
            tensors[key].grad = gradient[run].clone()
        decayed.step()
        plain.step()
    return {key: tensor.detach() for key, tensor in tensors.items()}


@pytest.mark.parametrize("decay", [0.0, 0.05], ids=["", "decay"])
@pytest.mark.parametrize("name", TORCH)
def test_an_optimizer_moves_tensors_as_torch_does(name: Any, decay: float) -> None:
    layer, gradients = layer_and_gradients()
    expected = [by_torch(name, layer, gradients, run, decay) for run in range(2)]
    spec = TrainSpec(optimizer=name, weight_decay=decay)
    state = initial_state(spec, Net({"only": layer}, "relu"))
    optimizer = create_optimizer(spec, torch.tensor(RATES, dtype=torch.float64).view(2, 1, 1), state)

    for step, each in enumerate(gradients, start=1):
        optimizer.update("only", layer, each, step)

    found = [{key: tensor[run] for key, tensor in layer.tensors().items()} for run in range(2)]
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
