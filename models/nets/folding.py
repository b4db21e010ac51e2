"""A net for export, whose norms are folded into its weights wherever they do not depend on the input."""

from dataclasses import replace

import torch

from models.nets.layers import Layer
from models.nets.lstm import Lstm
from models.nets.lstm_start import new_lstm
from models.nets.net import Net
from models.nets.norms import Unnormalised


def fold(net: Net) -> Net:
    """Return a net that computes the same in evaluation, with as few norms as possible.

    Weight and batch norms become part of the weight and the shift; layer, RMS and group norms stay, and so do
    norms of a recurrent layer with statistics for each time step. Folding
    is in float64, and each tensor is rounded once, to the dtype that it had.
    """
    return Net({name: _folded(layer) for name, layer in net.layers.items()}, net.activation)


def _folded(layer: Layer) -> Layer:
    if isinstance(layer, Lstm):
        return _folded_lstm(layer)
    exact = layer.map(torch.Tensor.double)
    folded = exact.norm.fold(exact.weight)
    if folded is None:
        return layer
    dtype = layer.weight.dtype
    weight, shift = folded.weight.to(dtype), folded.shift.to(dtype)
    return replace(layer, weight=weight, norm=Unnormalised(gain=torch.empty(0, dtype=dtype), shift=shift))


def _folded_lstm(layer: Lstm) -> Lstm:
    """Fold the lengths of weights; what differs from one time step to the next stays."""
    if layer.kind != "weight":
        return layer
    own = [layer.map(torch.Tensor.double).of_run(run)[0] for run in range(len(layer.weight))]
    of_input, of_state, shift = (
        torch.stack([each[name] for each in own]).detach().to(layer.weight.dtype)
        for name in ("input.weight", "state.weight", "shift")
    )
    folded = new_lstm(of_input, of_state, "none", layer.groups, layer.pixels)
    folded.norm.shift.copy_(shift.unsqueeze(1))
    return folded
