"""The norms of activations, and the table of all norms; weight_norms.py has the norms of weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.nets.norm import (
    Folded,
    Norm,
    NormGradients,
    Operators,
    Saved,
    Scaling,
    mean_of_units,
    ones,
    per_unit,
    rows_of,
    sum_of_units,
    values_per_unit,
    zeros,
)
from models.nets.weight_norms import WeightMeanOnlyBatchNorm, WeightNorm
from models.specs.facts import EPS, RUNNING_RATE


@dataclass
class Unnormalised(Norm):
    """No normalisation: z = a + shift.

    There is no gain: init scales the columns of W instead.
    """

    @classmethod
    def create(cls, weight: Tensor, groups: int) -> Self:
        return cls(gain=torch.empty(0, dtype=weight.dtype), shift=zeros(weight))

    def tensors(self) -> dict[str, Tensor]:
        return {"shift": self.shift}

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(gain=self.gain, shift=change(self.shift))

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        return a, self.gain

    def forward(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Saved]:
        return a.add_(per_unit(self.shift, a)), Saved(a, self.gain, training)

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        return NormGradients(da=dz, gain=None, shift=sum_of_units(dz))

    def fold(self, weight: Tensor) -> Folded:
        return Folded(weight, self.shift)

    def set_gain_and_shift(self, gain: Tensor, shift: Tensor, weight: Tensor) -> None:
        weight.mul_(gain)
        self.shift.copy_(shift)

    @staticmethod
    def at_step(a: Tensor, scaling: Scaling) -> Tensor:
        return scaling.apply(a)


@dataclass
class BatchNorm(Norm):
    """Batch Normalization (Ioffe & Szegedy 2015, arXiv 1502.03167).

        u = (a − mean) / √(var + ε);  z = gain · u + shift

    In training, statistics are per unit over the batch, which needs at least 2 rows, and its places; the
    running statistics are updated: 0.9 · old + 0.1 · new, with the unbiased variance, as in PyTorch.
    Evaluation uses the running statistics only, so a row's output never depends on the other rows.
    """

    running_mean: Tensor
    running_var: Tensor

    @classmethod
    def create(cls, weight: Tensor, groups: int) -> Self:
        return cls(
            gain=ones(weight), shift=zeros(weight), running_mean=zeros(weight), running_var=ones(weight)
        )

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        if not training:
            inverse = (self.running_var + EPS).rsqrt_()
            return a.sub_(per_unit(self.running_mean, a)).mul_(per_unit(inverse, a)), inverse
        mean = mean_of_units(a)
        u = a.sub_(per_unit(mean, a))
        var = mean_of_units(u.square())
        self.running_mean.lerp_(mean, RUNNING_RATE)
        self.running_var.lerp_(_unbiased(var, a), RUNNING_RATE)
        inverse = (var + EPS).rsqrt_()
        return u.mul_(per_unit(inverse, u)), inverse

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        dgain, dshift = sum_of_units(dz * saved.u), sum_of_units(dz)
        scale = per_unit(self.gain * saved.inverse, dz)
        if not saved.training:
            return NormGradients(da=dz * scale, gain=dgain, shift=dshift)
        # mean(du) and mean(du · u) are gain · dshift / n and gain · dgain / n.
        n = values_per_unit(dz)
        centred = dz - per_unit(dshift / n, dz)
        da = centred.addcmul_(saved.u, per_unit(dgain / n, dz), value=-1).mul_(scale)
        return NormGradients(da=da, gain=dgain, shift=dshift)

    def fold(self, weight: Tensor) -> Folded:
        scale = self.gain * (self.running_var + EPS).rsqrt_()
        return Folded(weight * scale, self.shift - self.running_mean * scale)

    def start_running_statistics(self, a: Tensor) -> None:
        mean = mean_of_units(a)
        self.running_mean.copy_(mean)
        self.running_var.copy_(_unbiased(mean_of_units((a - per_unit(mean, a)).square_()), a))

    @staticmethod
    def at_step(a: Tensor, scaling: Scaling) -> Tensor:
        options: dict[str, Any] = {"training": scaling.training, "momentum": RUNNING_RATE, "eps": EPS}
        mean, var = scaling.running_mean, scaling.running_var
        if a.dim() == 2:
            return functional.batch_norm(a, mean, var, scaling.gain, scaling.shift, **options)
        if mean is None or var is None:
            raise ValueError("batch norm needs running statistics")
        if not scaling.training:
            return scaling.apply((a - mean.unsqueeze(-2)).mul_((var + EPS).rsqrt().unsqueeze(-2)))
        # Each unit of each step is a channel.
        channels = a.transpose(0, 1).flatten(1)
        u = functional.batch_norm(channels, mean.view(-1), var.view(-1), **options)
        return scaling.apply(u.view(a.shape[1], a.shape[0], -1).transpose(0, 1).contiguous())


@dataclass
class LayerNorm(Norm):
    """Layer Normalization (Ba, Kiros & Hinton 2016, arXiv 1607.06450).

        u = (a − mean) / √(var + ε);  z = gain · u + shift

    Statistics are over the units and places of one row, so training and evaluation are the same and one row
    is enough. Gain and shift are per unit.
    """

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        rows = rows_of(a)
        u = rows.sub_(rows.mean(-1, keepdim=True))
        inverse = u.square().mean(-1, keepdim=True).add_(EPS).rsqrt_()
        return u.mul_(inverse).view_as(a), inverse

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        u, du = rows_of(saved.u), rows_of(dz * per_unit(self.gain, dz))
        along_u = (du * u).mean(-1, keepdim=True)
        da = du.sub_(du.mean(-1, keepdim=True)).addcmul_(u, along_u, value=-1).mul_(saved.inverse)
        return NormGradients(da.view_as(dz), gain=sum_of_units(dz * saved.u), shift=sum_of_units(dz))

    @staticmethod
    def at_step(a: Tensor, scaling: Scaling) -> Tensor:
        return functional.layer_norm(a, a.shape[-1:], scaling.gain, scaling.shift, EPS)

    @staticmethod
    def add_rows(graph: Operators, name: str, rows: str, size: int) -> str:
        ones = graph.constant(f"{name}.ones", np.ones(size, np.float32))
        return graph.add("LayerNormalization", f"{name}.u", rows, ones, axis=-1, epsilon=EPS)


@dataclass
class RMSNorm(Norm):
    """Root-mean-square normalisation (Zhang & Sennrich 2019, arXiv 1910.07467).

        u = a / √(mean(a²) + ε);  z = gain · u + shift

    The mean is over the units and places of one row, so training and evaluation are the same.
    """

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        rows = rows_of(a)
        inverse = rows.square().mean(-1, keepdim=True).add_(EPS).rsqrt_()
        return rows.mul_(inverse).view_as(a), inverse

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        u, du = rows_of(saved.u), rows_of(dz * per_unit(self.gain, dz))
        # u does not depend on the length of a row, so da has no component along u.
        along_u = (du * u).mean(-1, keepdim=True)
        da = du.addcmul_(u, along_u, value=-1).mul_(saved.inverse)
        return NormGradients(da.view_as(dz), gain=sum_of_units(dz * saved.u), shift=sum_of_units(dz))

    @staticmethod
    def at_step(a: Tensor, scaling: Scaling) -> Tensor:
        inverse = a.square().mean(-1, keepdim=True).add(EPS).rsqrt()
        return scaling.apply(a * inverse)

    @staticmethod
    def add_rows(graph: Operators, name: str, rows: str, size: int) -> str:  # noqa: ARG004
        square = graph.add("Mul", f"{name}.square", rows, rows)
        mean = graph.add("ReduceMean", f"{name}.mean", square, axes=[-1], keepdims=1)
        eps = graph.constant(f"{name}.eps", np.array([EPS], np.float32))
        root = graph.add("Sqrt", f"{name}.root", graph.add("Add", f"{name}.added", mean, eps))
        return graph.add("Div", f"{name}.u", rows, root)


@dataclass
class GroupNorm(Norm):
    """Group Normalization (Wu & He 2018, arXiv 1803.08494).

        u = (a − mean) / √(var + ε);  z = gain · u + shift

    Statistics are over each of `groups` contiguous groups of the units of one row, with all their places, so
    training and evaluation are the same; `groups` must divide the units. Gain and shift are per unit.
    """

    groups: int

    @classmethod
    def create(cls, weight: Tensor, groups: int) -> Self:
        return cls(gain=ones(weight), shift=zeros(weight), groups=groups)

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        grouped = self._grouped(a)
        u = grouped.sub_(grouped.mean(-1, keepdim=True))
        inverse = u.square().mean(-1, keepdim=True).add_(EPS).rsqrt_()
        return u.mul_(inverse).view_as(a), inverse

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        u, du = self._grouped(saved.u), self._grouped(dz * per_unit(self.gain, dz))
        along_u = (du * u).mean(-1, keepdim=True)
        da = du.sub_(du.mean(-1, keepdim=True)).addcmul_(u, along_u, value=-1).mul_(saved.inverse)
        return NormGradients(da.view_as(dz), gain=sum_of_units(dz * saved.u), shift=sum_of_units(dz))

    def _grouped(self, a: Tensor) -> Tensor:  # (runs, batch, groups, units and places of a group)
        return a.view(*a.shape[:2], self.groups, -1)

    @staticmethod
    def at_step(a: Tensor, scaling: Scaling) -> Tensor:
        grouped = a.view(*a.shape[:-1], scaling.groups, -1)
        return scaling.apply(functional.layer_norm(grouped, grouped.shape[-1:], eps=EPS).flatten(-2))

    @staticmethod
    def add_rows(graph: Operators, name: str, rows: str, size: int) -> str:
        # Before opset 21, GroupNormalization has a gain for each group, not for each unit.
        return LayerNorm.add_rows(graph, name, rows, size)


def _unbiased(var: Tensor, a: Tensor) -> Tensor:
    n = values_per_unit(a)
    return var * (n / (n - 1))


NORM_TYPES: dict[str, type[Norm]] = {
    "none": Unnormalised,
    "weight": WeightNorm,
    "weight_mean_only_batch": WeightMeanOnlyBatchNorm,
    "batch": BatchNorm,
    "layer": LayerNorm,
    "rms": RMSNorm,
    "group": GroupNorm,
}
