"""A net whose norms are folded into its weights, wherever they do not depend on the input."""

from dataclasses import replace

import torch

from models.nets.layers import Layer
from models.nets.net import Net
from models.nets.norms import Unnormalised


def fold(net: Net) -> Net:
    """Return a net that computes the same in evaluation, with as few norms as possible.

    Weight and batch norms become part of the weight and the shift; layer, RMS and group norms stay. Folding
    is in float64, and each tensor is rounded once, to the dtype that it had.
    """
    return Net({name: _folded(layer) for name, layer in net.layers.items()}, net.activation)


def _folded(layer: Layer) -> Layer:
    exact = layer.map(torch.Tensor.double)
    folded = exact.norm.fold(exact.weight)
    if folded is None:
        return layer
    dtype = layer.weight.dtype
    weight, shift = folded.weight.to(dtype), folded.shift.to(dtype)
    return replace(layer, weight=weight, norm=Unnormalised(gain=torch.empty(0, dtype=dtype), shift=shift))
