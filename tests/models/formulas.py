"""The formula of each norm in its paper, in torch's own functions: every kind of net is compared with it."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from models.specs.facts import NORMS, Norm

Tensors = dict[str, Tensor]
Formula = Callable[[Tensor, Tensors, int, bool], Tensor]
"""Computes z of one run from a = x W, [rows, units] or [rows, units, height, width].

Its other parameters are the layer's tensors by name, [units] or [inputs, units], the number of groups, and
whether the net is in training: running statistics then move.
"""


def none(a: Tensor, own: Tensors, _groups: int, _training: bool) -> Tensor:
    return a + per_unit(own["shift"], a)


def weight(a: Tensor, own: Tensors, _groups: int, _training: bool) -> Tensor:
    return a * per_unit(own["gain"] / own["weight"].norm(dim=0), a) + per_unit(own["shift"], a)


def weight_mean_only_batch(a: Tensor, own: Tensors, groups: int, training: bool) -> Tensor:
    s = weight(a, {**own, "shift": torch.zeros_like(own["shift"])}, groups, training)
    mean = own["running_mean"]
    if training:
        mean = s.mean([axis for axis in range(s.dim()) if axis != 1])
        own["running_mean"].mul_(0.9).add_(0.1 * mean.detach())
    return s - per_unit(mean, s) + per_unit(own["shift"], s)


def batch(a: Tensor, own: Tensors, _groups: int, training: bool) -> Tensor:
    running, affine = (own["running_mean"], own["running_var"]), (own["gain"], own["shift"])
    return functional.batch_norm(a, *running, *affine, training=training, eps=epsilon("batch"))


def layer(a: Tensor, own: Tensors, _groups: int, _training: bool) -> Tensor:
    return functional.group_norm(a, 1, own["gain"], own["shift"], epsilon("layer"))


def rms(a: Tensor, own: Tensors, _groups: int, _training: bool) -> Tensor:
    u = functional.rms_norm(a, a.shape[1:], eps=epsilon("rms"))
    return u * per_unit(own["gain"], a) + per_unit(own["shift"], a)


def group(a: Tensor, own: Tensors, groups: int, _training: bool) -> Tensor:
    return functional.group_norm(a, groups, own["gain"], own["shift"], epsilon("group"))


def per_unit(values: Tensor, a: Tensor) -> Tensor:
    """View a number for each unit with as many axes as a has."""
    return values.view(-1, *[1] * (a.dim() - 2))


def epsilon(norm: Norm) -> float:
    """The published ε."""
    published = NORMS[norm].epsilon
    assert published is not None
    return published


FORMULAS: dict[str, Formula] = {
    formula.__name__: formula for formula in (none, weight, weight_mean_only_batch, batch, layer, rms, group)
}
