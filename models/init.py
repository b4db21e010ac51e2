"""Data-dependent initialisation: one definition for every norm."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models import activations
from models.layers import Dense
from models.net import Net

VARIANCE_EPS = 1e-10
DEGENERATE_VARIANCE = 1e-10


@dataclass(frozen=True)
class LayerInit:
    """What init found in a layer: units whose u hardly varies on the batch keep their gain."""

    layer: str
    degenerate_units: int


def initialise(net: Net, x: Tensor, scale: float = 1.0) -> list[LayerInit]:
    """Give every unit's z mean 0 and deviation `scale` on this batch, layer by layer from the input.

        gain ← scale / √(var_batch[u] + 1e-10);  shift ← −gain · mean_batch[u]

    where u is what the gain multiplies; x is [runs, batch, n_in] with batch ≥ 2. Generalises equations 5
    and 6 of Salimans & Kingma 2016 (arXiv 1602.07868). Doing it twice changes nothing.
    """
    report = []
    for name, layer in net.layers.items():
        report.append(LayerInit(name, initialise_layer(layer, x, scale)))
        # The copy is thrown away: training mode would move the running statistics once more.
        z, _ = layer.map(Tensor.clone).forward(x, training=True)
        x = activations.apply_(net.activation, z)
    return report


def initialise_layer(layer: Dense, x: Tensor, scale: float) -> int:
    """Set gain, shift and running statistics of one layer; answer its number of degenerate units."""
    a = layer.product(x)
    u, _ = layer.map(Tensor.clone).norm.normalise(a, layer.weight, training=True)
    mean = u.mean(1, keepdim=True)
    var = (u - mean).square_().mean(1, keepdim=True)
    varies = var >= DEGENERATE_VARIANCE
    current = layer.norm.gain if layer.norm.gain.numel() else torch.ones_like(var)
    gain = torch.where(varies, scale / (var + VARIANCE_EPS).sqrt(), current)
    layer.norm.adopt(a)
    layer.norm.rescale(gain, -gain * mean, layer.weight)
    return int((~varies).sum())
