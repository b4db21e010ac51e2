"""Data-dependent initialisation: one rule for every norm, and a report of its effect on each layer."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from models.nets import activations
from models.nets.layers import Dense
from models.nets.net import Net
from models.nets.tensor_stats import TensorStats

VARIANCE_EPS = 1e-10
DEGENERATE_VARIANCE = 1e-10
N_BINS = 40


@dataclass(frozen=True)
class Histogram:
    """Pre-activations before and after init in bins of equal width from `low` to `high`, of both together."""

    low: float
    high: float
    before: list[int]
    after: list[int]

    @classmethod
    def of(cls, before: Tensor, after: Tensor) -> Self | None:
        """Count the entries in each of 40 bins; return None if an entry is not finite."""
        low = min(before.min().item(), after.min().item())
        high = max(before.max().item(), after.max().item())
        if not math.isfinite(high - low):
            return None
        counts = [torch.histc(each, N_BINS, low, high).int().tolist() for each in (before, after)]
        return cls(low, high, *counts)


@dataclass(frozen=True)
class LayerInit:
    """The effect of init on a layer, measured on the init batch.

    Units whose u has a variance below 1e-10 on that batch are degenerate: they keep their gain.
    """

    layer: str
    z_before: TensorStats
    z_after: TensorStats
    gain: TensorStats
    shift: TensorStats
    degenerate_units: int
    histogram: Histogram | None


def initialise(net: Net, x: Tensor, scale: float = 1.0) -> list[LayerInit]:
    """Set gains and shifts so that each unit's z has mean 0 and standard deviation `scale` on this batch.

        gain ← scale / √(var_batch[u] + 1e-10);  shift ← −gain · mean_batch[u]

    u is what the gain multiplies; x is [runs, batch, n_in] with batch ≥ 2. Layers are set one by one, from
    the input on. This generalises equations 5 and 6 of Salimans & Kingma 2016 (arXiv 1602.07868).
    A second call with the same batch changes nothing.
    """
    report = []
    for name, layer in net.layers.items():
        before = _pre_activations(layer, x)
        scaling = initialise_layer(layer, x, scale)
        after = _pre_activations(layer, x)
        report.append(
            LayerInit(
                layer=name,
                z_before=TensorStats.of(before),
                z_after=TensorStats.of(after),
                gain=TensorStats.of(scaling.gain),
                shift=TensorStats.of(scaling.shift),
                degenerate_units=int((~scaling.varies).sum()),
                histogram=Histogram.of(before, after),
            )
        )
        x = activations.apply_(net.activation, after)
    return report


@dataclass(frozen=True)
class Scaling:
    """Gain and shift of each unit, and whether its u varies on the init batch; all [runs, 1, units]."""

    gain: Tensor
    shift: Tensor
    varies: Tensor


def initialise_layer(layer: Dense, x: Tensor, scale: float) -> Scaling:
    """Set gain, shift and running statistics of one layer from its inputs x [runs, batch, n_in]."""
    a = layer.product(x)
    layer.norm.start_running_statistics(a)
    u, _ = layer.map(Tensor.clone).norm.normalise(a, layer.weight, training=True)
    mean = u.mean(1, keepdim=True)
    var = (u - mean).square_().mean(1, keepdim=True)
    varies = var >= DEGENERATE_VARIANCE
    current = layer.norm.gain if layer.norm.gain.numel() else torch.ones_like(var)
    gain = torch.where(varies, scale / (var + VARIANCE_EPS).sqrt(), current)
    shift = -gain * mean
    layer.norm.set_gain_and_shift(gain, shift, layer.weight)
    return Scaling(gain, shift, varies)


def _pre_activations(layer: Dense, x: Tensor) -> Tensor:
    # A copy, because training mode updates the running statistics.
    return layer.map(Tensor.clone).forward(x, training=True)[0]
