"""Data-dependent initialisation: one definition for every norm, and a report of what it did."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.nets import activations
from models.nets.layers import Dense
from models.nets.net import Net
from models.nets.tensor_stats import TensorStats

VARIANCE_EPS = 1e-10
DEGENERATE_VARIANCE = 1e-10


@dataclass(frozen=True)
class LayerInit:
    """What init found in a layer and made of it, on the batch that it saw.

    Units whose u hardly varies on the batch are degenerate: they keep their gain.
    """

    layer: str
    z_before: TensorStats
    z_after: TensorStats
    gain: TensorStats
    shift: TensorStats
    degenerate_units: int


def initialise(net: Net, x: Tensor, scale: float = 1.0) -> list[LayerInit]:
    """Give every unit's z mean 0 and deviation `scale` on this batch, layer by layer from the input.

        gain ← scale / √(var_batch[u] + 1e-10);  shift ← −gain · mean_batch[u]

    where u is what the gain multiplies; x is [runs, batch, n_in] with batch ≥ 2. Generalises equations 5
    and 6 of Salimans & Kingma 2016 (arXiv 1602.07868). Doing it twice changes nothing.
    """
    report = []
    for name, layer in net.layers.items():
        before = _pre_activations(layer, x)
        found = initialise_layer(layer, x, scale)
        after = _pre_activations(layer, x)
        report.append(
            LayerInit(
                layer=name,
                z_before=TensorStats.of(before),
                z_after=TensorStats.of(after),
                gain=TensorStats.of(found.gain),
                shift=TensorStats.of(found.shift),
                degenerate_units=int((~found.varies).sum()),
            )
        )
        x = activations.apply_(net.activation, after)
    return report


@dataclass(frozen=True)
class Found:
    """Gain and shift of each unit [runs, 1, units], and whether its u varies on the batch."""

    gain: Tensor
    shift: Tensor
    varies: Tensor


def initialise_layer(layer: Dense, x: Tensor, scale: float) -> Found:
    """Set gain, shift and running statistics of one layer."""
    a = layer.product(x)
    layer.norm.adopt(a)
    u, _ = layer.map(Tensor.clone).norm.normalise(a, layer.weight, training=True)
    mean = u.mean(1, keepdim=True)
    var = (u - mean).square_().mean(1, keepdim=True)
    varies = var >= DEGENERATE_VARIANCE
    current = layer.norm.gain if layer.norm.gain.numel() else torch.ones_like(var)
    gain = torch.where(varies, scale / (var + VARIANCE_EPS).sqrt(), current)
    shift = -gain * mean
    layer.norm.rescale(gain, shift, layer.weight)
    return Found(gain, shift, varies)


def _pre_activations(layer: Dense, x: Tensor) -> Tensor:
    # The copy is thrown away: training mode would move the running statistics.
    return layer.map(Tensor.clone).forward(x, training=True)[0]
