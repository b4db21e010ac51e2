"""How each layer of a run is doing: lengths, gains, effective steps, dead units, drifting statistics."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from models.nets.layers import Dense, LayerGradients
from models.nets.net import Net, targets_of
from models.nets.norm import RUNNING_RATE
from models.nets.tensor_stats import TensorStats
from models.specs.spec import TrainSpec


@dataclass(frozen=True)
class LayerTelemetry:
    """A layer after an update, on the batch of that update."""

    layer: str
    gradient_norm: float
    """Length of dL/dW over all weights of the layer."""
    weight_norm: TensorStats
    """‖v‖ over the units."""
    gain: TensorStats | None
    """Over the units; None where no gain is trained."""
    effective_step: TensorStats
    """learning_rate / ‖v‖² over the units: what a step means to a layer that only sees directions."""
    dead_units: float | None
    """Share of units that answered 0 to every row; None but for hidden layers with relu."""
    running_mean_drift: float | None
    """Mean over the units of |batch mean − running mean|; None where nothing runs."""
    running_var_drift: float | None
    """The same of the variance."""


class TelemetryRow(NamedTuple):
    """The layers after a step, from the input on."""

    step: int
    layers: list[LayerTelemetry]


def measure(net: Net, x: Tensor, labels: Tensor, spec: TrainSpec) -> list[LayerTelemetry]:
    """Measure a net of one run on x [1, batch, n_in] and labels [1, batch]; the net stays as it is."""
    moved = net.map(Tensor.clone)  # training mode moves the running statistics
    gradients = moved.backpropagate(x, targets_of(labels)).gradients
    outputs = [following.x for following in gradients[1:]]
    dead = [_dead(h) if spec.activation == "relu" else None for h in outputs]
    return [
        _measure_layer(name, layer, moved.layers[name], found, share, spec.learning_rate)
        for (name, layer), found, share in zip(net.layers.items(), gradients, [*dead, None], strict=True)
    ]


def _measure_layer(
    name: str, layer: Dense, moved: Dense, gradients: LayerGradients, dead: float | None, learning_rate: float
) -> LayerTelemetry:
    square = layer.weight.square().sum(1)
    trained = layer.trained()
    return LayerTelemetry(
        layer=name,
        gradient_norm=gradients.by_tensor(layer.weight)["weight"].norm().item(),
        weight_norm=TensorStats.of(square.sqrt()),
        gain=TensorStats.of(trained["gain"]) if "gain" in trained else None,
        effective_step=TensorStats.of(learning_rate / square),
        dead_units=dead,
        running_mean_drift=_drift(layer, moved, "running_mean"),
        running_var_drift=_drift(layer, moved, "running_var"),
    )


def _dead(h: Tensor) -> float:
    return (h == 0).all(1).float().mean().item()


def _drift(layer: Dense, moved: Dense, name: str) -> float | None:
    """Tell how far the batch is from a running value, which has just moved a tenth of the way to it."""
    before, after = layer.tensors().get(name), moved.tensors().get(name)
    if before is None or after is None:
        return None
    return torch.abs(after - before).mean().item() / RUNNING_RATE
