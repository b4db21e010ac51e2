"""The norms of a recurrent layer, at one time step or at all of them; autograd follows them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from models.specs.facts import EPS, RUNNING_RATE, Norm


class Scaling(NamedTuple):
    """What a norm needs besides a: gain and shift [units], running statistics [units] or [steps, units]."""

    gain: Tensor | None
    shift: Tensor | None
    groups: int
    training: bool
    running_mean: Tensor | None = None
    running_var: Tensor | None = None


def _scaled(u: Tensor, scaling: Scaling) -> Tensor:
    gain, shift = scaling.gain, scaling.shift
    if gain is not None and shift is not None:
        return torch.addcmul(shift, u, gain)
    if gain is not None:
        u = u * gain
    return u if shift is None else u + shift


def _identity(a: Tensor, scaling: Scaling) -> Tensor:
    return _scaled(a, scaling)


def _centred(a: Tensor, scaling: Scaling) -> Tensor:
    if scaling.running_mean is None:
        return a
    mean = scaling.running_mean
    if scaling.training:
        mean = a.mean(-2)
        scaling.running_mean.lerp_(mean.detach(), RUNNING_RATE)
    return _scaled(a - mean.unsqueeze(-2), scaling)


def _batch(a: Tensor, scaling: Scaling) -> Tensor:
    options: dict[str, Any] = {"training": scaling.training, "momentum": RUNNING_RATE, "eps": EPS}
    mean, var = scaling.running_mean, scaling.running_var
    if a.dim() == 2:
        return functional.batch_norm(a, mean, var, scaling.gain, scaling.shift, **options)
    if mean is None or var is None:
        raise ValueError("batch norm needs running statistics")
    if not scaling.training:
        return _scaled((a - mean.unsqueeze(-2)).mul_((var + EPS).rsqrt().unsqueeze(-2)), scaling)
    # Each unit of each step is a channel.
    channels = a.transpose(0, 1).flatten(1)
    u = functional.batch_norm(channels, mean.view(-1), var.view(-1), **options)
    return _scaled(u.view(a.shape[1], a.shape[0], -1).transpose(0, 1).contiguous(), scaling)


def _layer(a: Tensor, scaling: Scaling) -> Tensor:
    return functional.layer_norm(a, a.shape[-1:], scaling.gain, scaling.shift, EPS)


def _rms(a: Tensor, scaling: Scaling) -> Tensor:
    inverse = a.square().mean(-1, keepdim=True).add(EPS).rsqrt()
    return _scaled(a * inverse, scaling)


def _group(a: Tensor, scaling: Scaling) -> Tensor:
    grouped = a.view(*a.shape[:-1], scaling.groups, -1)
    return _scaled(functional.layer_norm(grouped, grouped.shape[-1:], eps=EPS).flatten(-2), scaling)


NORMALISED: dict[Norm, Callable[[Tensor, Scaling], Tensor]] = {
    "none": _identity,
    "weight": _identity,
    "weight_mean_only_batch": _centred,
    "batch": _batch,
    "layer": _layer,
    "rms": _rms,
    "group": _group,
}
"""The norms of a [..., batch, units]; effective weights have the gains of the norms of weights already."""
