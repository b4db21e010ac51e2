"""The norms of activations, and the table of all norms; weight_norms.py has the norms of weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from models.nets.norm import Folded, Norm, NormGradients, Saved, ones, zeros
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
        return a.add_(self.shift), Saved(a, self.gain, training)

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        return NormGradients(da=dz, gain=None, shift=dz.sum(1, keepdim=True))

    def fold(self, weight: Tensor) -> Folded:
        return Folded(weight, self.shift)

    def set_gain_and_shift(self, gain: Tensor, shift: Tensor, weight: Tensor) -> None:
        weight.mul_(gain)
        self.shift.copy_(shift)


@dataclass
class BatchNorm(Norm):
    """Batch Normalization (Ioffe & Szegedy 2015, arXiv 1502.03167).

        u = (a − mean) / √(var + ε);  z = gain · u + shift

    In training, statistics are per unit over the batch, which needs at least 2 rows, and the running
    statistics are updated: 0.9 · old + 0.1 · new, with the unbiased variance, as in PyTorch. Evaluation
    uses the running statistics only, so a row's output never depends on the other rows.
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
            return a.sub_(self.running_mean).mul_(inverse), inverse
        mean = a.mean(1, keepdim=True)
        u = a.sub_(mean)
        var = u.square().mean(1, keepdim=True)
        self.running_mean.lerp_(mean, RUNNING_RATE)
        self.running_var.lerp_(_unbiased(var, a), RUNNING_RATE)
        inverse = (var + EPS).rsqrt_()
        return u.mul_(inverse), inverse

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        dgain = (dz * saved.u).sum(1, keepdim=True)
        dshift = dz.sum(1, keepdim=True)
        scale = self.gain * saved.inverse
        if not saved.training:
            return NormGradients(da=dz * scale, gain=dgain, shift=dshift)
        # mean(du) and mean(du · u) over the batch are gain · dshift / rows and gain · dgain / rows.
        rows = dz.shape[1]
        da = (dz - dshift / rows).addcmul_(saved.u, dgain / rows, value=-1).mul_(scale)
        return NormGradients(da=da, gain=dgain, shift=dshift)

    def fold(self, weight: Tensor) -> Folded:
        scale = self.gain * (self.running_var + EPS).rsqrt_()
        return Folded(weight * scale, self.shift - self.running_mean * scale)

    def start_running_statistics(self, a: Tensor) -> None:
        mean = a.mean(1, keepdim=True)
        self.running_mean.copy_(mean)
        self.running_var.copy_(_unbiased((a - mean).square_().mean(1, keepdim=True), a))


@dataclass
class LayerNorm(Norm):
    """Layer Normalization (Ba, Kiros & Hinton 2016, arXiv 1607.06450).

        u = (a − mean) / √(var + ε);  z = gain · u + shift

    Statistics are over the units of one row, so training and evaluation are the same and one row is enough.
    Gain and shift are per unit.
    """

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        u = a.sub_(a.mean(-1, keepdim=True))
        inverse = u.square().mean(-1, keepdim=True).add_(EPS).rsqrt_()
        return u.mul_(inverse), inverse

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        u = saved.u
        du = dz * self.gain
        along_u = (du * u).mean(-1, keepdim=True)
        da = du.sub_(du.mean(-1, keepdim=True)).addcmul_(u, along_u, value=-1).mul_(saved.inverse)
        return NormGradients(da=da, gain=(dz * u).sum(1, keepdim=True), shift=dz.sum(1, keepdim=True))


@dataclass
class RMSNorm(Norm):
    """Root-mean-square normalisation (Zhang & Sennrich 2019, arXiv 1910.07467).

        u = a / √(mean(a²) + ε);  z = gain · u + shift

    The mean is over the units of one row, so training and evaluation are the same.
    """

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        inverse = a.square().mean(-1, keepdim=True).add_(EPS).rsqrt_()
        return a.mul_(inverse), inverse

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        u = saved.u
        du = dz * self.gain
        # u does not depend on the length of a row, so da has no component along u.
        along_u = (du * u).mean(-1, keepdim=True)
        da = du.addcmul_(u, along_u, value=-1).mul_(saved.inverse)
        return NormGradients(da=da, gain=(dz * u).sum(1, keepdim=True), shift=dz.sum(1, keepdim=True))


@dataclass
class GroupNorm(Norm):
    """Group Normalization (Wu & He 2018, arXiv 1803.08494).

        u = (a − mean) / √(var + ε);  z = gain · u + shift

    Statistics are over each of `groups` contiguous groups of the units of one row, so training and
    evaluation are the same; `groups` must divide the units. Gain and shift are per unit.
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
        u, du = self._grouped(saved.u), self._grouped(dz * self.gain)
        along_u = (du * u).mean(-1, keepdim=True)
        da = du.sub_(du.mean(-1, keepdim=True)).addcmul_(u, along_u, value=-1).mul_(saved.inverse)
        dgain = (dz * saved.u).sum(1, keepdim=True)
        return NormGradients(da=da.view_as(dz), gain=dgain, shift=dz.sum(1, keepdim=True))

    def _grouped(self, a: Tensor) -> Tensor:  # (runs, batch, groups, units in a group)
        return a.view(*a.shape[:2], self.groups, -1)


def _unbiased(var: Tensor, a: Tensor) -> Tensor:
    return var * (a.shape[1] / (a.shape[1] - 1))


NORM_TYPES: dict[str, type[Norm]] = {
    "none": Unnormalised,
    "weight": WeightNorm,
    "weight_mean_only_batch": WeightMeanOnlyBatchNorm,
    "batch": BatchNorm,
    "layer": LayerNorm,
    "rms": RMSNorm,
    "group": GroupNorm,
}
