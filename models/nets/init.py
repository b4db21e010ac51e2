"""Data-dependent initialisation: one rule for every norm, and a report of its effect on each layer."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from models.nets import activations
from models.nets.layers import Layer
from models.nets.lstm import Lstm
from models.nets.net import Net
from models.nets.norm import mean_of_units, per_unit
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

    u is what the gain multiplies, over the batch and the places of a unit; x is [runs, batch, n_in] with
    batch ≥ 2. Layers are set one by one, from the input on. This generalises equations 5 and 6 of Salimans &
    Kingma 2016 (arXiv 1602.07868).
    A second call with the same batch changes nothing.
    """
    report = []
    for name, layer in net.layers.items():
        before = _pre_activations(layer, x)
        scaling = initialise_layer(layer, x, scale)
        after = _pre_activations(layer, x)
        report.append(
            LayerInit(
                layer=f"{name}.input" if isinstance(layer, Lstm) else name,
                z_before=TensorStats.of(before),
                z_after=TensorStats.of(after),
                gain=TensorStats.of(scaling.gain),
                shift=TensorStats.of(scaling.shift),
                degenerate_units=int((~scaling.varies).sum()),
                histogram=Histogram.of(before, after),
            )
        )
        if isinstance(layer, Lstm):
            x, _ = layer.map(Tensor.clone).forward(x, training=True)
        else:
            x = activations.apply_(net.activation, after)
    return report


@dataclass(frozen=True)
class InitialScaling:
    """Gain and shift of each unit, and whether its u varies on the init batch; all [runs, 1, units]."""

    gain: Tensor
    shift: Tensor
    varies: Tensor


def initialise_layer(layer: Layer, x: Tensor, scale: float) -> InitialScaling:
    """Set gain, shift and running statistics of one layer from its inputs x [runs, batch, n_in]."""
    if isinstance(layer, Lstm):
        return _initialise_lstm(layer, x, scale)
    a = layer.product(x)
    layer.norm.start_running_statistics(a)
    u, _ = layer.map(Tensor.clone).norm.normalise(a, layer.weight, training=True)
    mean = mean_of_units(u)
    var = mean_of_units((u - per_unit(mean, u)).square_())
    varies = var >= DEGENERATE_VARIANCE
    current = layer.norm.gain if layer.norm.gain.numel() else torch.ones_like(var)
    gain = torch.where(varies, scale / (var + VARIANCE_EPS).sqrt(), current)
    shift = -gain * mean
    layer.norm.set_gain_and_shift(gain, shift, layer.weight)
    return InitialScaling(gain, shift, varies)


def _pre_activations(layer: Layer, x: Tensor) -> Tensor:
    # A copy, because training mode updates the running statistics.
    if isinstance(layer, Lstm):
        return layer.map(Tensor.clone).of_inputs(x)
    return layer.map(Tensor.clone).forward(x, training=True)[0]


def _initialise_lstm(layer: Lstm, x: Tensor, scale: float) -> InitialScaling:
    """Set N_x and b of a recurrent layer; N_h and N_c recur, and are left alone (WN paper, end of section 3).

    u is normalised at each time step by itself; its mean and variance are over batch and steps. b becomes
    its start − gain · mean, so that a second call changes nothing.
    """
    bias = layer.start_of_shift()
    u = layer.unscaled().of_inputs(x)
    mean = mean_of_units(u)
    var = mean_of_units((u - per_unit(mean, u)).square_())
    varies = var >= DEGENERATE_VARIANCE
    current = layer.norm.gain if layer.norm.gain.numel() else torch.ones_like(var)
    gain = torch.where(varies, scale / (var + VARIANCE_EPS).sqrt(), current)
    shift = bias - gain * mean
    layer.set_input(x, gain, shift)
    return InitialScaling(gain, shift, varies)
