"""Telemetry of each layer: weight lengths, gains, effective steps, dead units, running statistics."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from models.nets.layers import Gradients, Layer
from models.nets.net import Net, targets_of
from models.nets.tensor_stats import TensorStats
from models.nets.weight_norms import sum_of_squares
from models.specs.facts import RUNNING_RATE
from models.specs.nets import NETS
from models.specs.spec import TrainSpec


@dataclass(frozen=True)
class LayerTelemetry:
    """A layer after an update, measured on the batch of that update."""

    layer: str
    gradient_norm: float | None
    """‖dL/dW‖ over all weights of the layer; None if it has no weights, as the norm of an lstm's cells."""
    weight_norm: TensorStats | None
    """‖v‖ over the units; None without weights."""
    gain: TensorStats | None
    """Over the units; None if the layer has no gain."""
    effective_step: TensorStats | None
    """learning_rate / ‖v‖² over the units: the effective learning rate if ‖v‖ has no effect."""
    dead_units: float | None
    """Share of units whose output is 0 for every row and place; None except for hidden layers with relu."""
    running_mean_drift: float | None
    """Mean over the units of |batch mean − running mean|; None if the norm has no running mean."""
    running_var_drift: float | None
    """Mean over the units of |batch variance − running variance|; None if there is no running variance."""


class TelemetryRow(NamedTuple):
    """The layers after a step, from the input to the output."""

    step: int
    layers: list[LayerTelemetry]


def measure(net: Net, x: Tensor, labels: Tensor, spec: TrainSpec) -> list[LayerTelemetry]:
    """Measure a net of one run on x [1, batch, n_in] and labels [1, batch]; the net does not change."""
    updated = net.map(Tensor.clone)  # training mode updates the running statistics
    _, gradients, tapes = updated.backpropagate(x, targets_of(labels))
    outputs = [following.x for following in tapes[1:]]
    can_die = spec.activation == "relu" and NETS[spec.net].has_activation
    dead = [_dead(h) if can_die else None for h in outputs]
    return [
        measured
        for (name, layer), each, share in zip(net.layers.items(), gradients, [*dead, None], strict=True)
        for measured in _measure_layer(name, layer, updated.layers[name], each, share, spec.learning_rate)
    ]


def _measure_layer(
    name: str,
    layer: Layer,
    updated: Layer,
    gradients: Gradients,
    dead: float | None,
    learning_rate: float,
) -> Iterator[LayerTelemetry]:
    """Measure each weight of a layer with its norm, and the norm of an lstm's cells."""
    of_tensors = gradients.by_tensor(layer.weight)
    parts = [key.removesuffix(end) for key in of_tensors for end in ("weight", "gain") if key.endswith(end)]
    for part in dict.fromkeys(parts):
        own = {key.removeprefix(part): each for key, each in layer.tensors().items() if key.startswith(part)}
        gradient, square = of_tensors.get(f"{part}weight"), _square(own.get("weight"))
        yield LayerTelemetry(
            layer=f"{name}.{part}".removesuffix("."),
            gradient_norm=None if gradient is None else gradient.norm().item(),
            weight_norm=None if square is None else TensorStats.of(square.sqrt()),
            gain=TensorStats.of(own["gain"]) if "gain" in own else None,
            effective_step=None if square is None else TensorStats.of(learning_rate / square),
            dead_units=dead,
            running_mean_drift=_drift(layer, updated, f"{part}running_mean"),
            running_var_drift=_drift(layer, updated, f"{part}running_var"),
        )


def _square(weight: Tensor | None) -> Tensor | None:
    """Compute ‖v‖² of each unit in float64, where no square of a float32 vanishes or overflows."""
    return None if weight is None else torch.from_numpy(sum_of_squares(weight.double().numpy()))


def _dead(h: Tensor) -> float:
    zero = (h == 0).all(1)  # (runs, units), or (runs, units, places)
    return (zero if zero.dim() == 2 else zero.all(-1)).float().mean().item()


def _drift(layer: Layer, updated: Layer, name: str) -> float | None:
    """Compute |batch − running| of a statistic: the update has moved it by RUNNING_RATE times that."""
    before, after = layer.tensors().get(name), updated.tensors().get(name)
    if before is None or after is None:
        return None
    return torch.abs(after - before).mean().item() / RUNNING_RATE
