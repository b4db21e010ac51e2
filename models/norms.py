"""What stands between a layer's product a = xW and the non-linearity: forward and backward of each norm.

All tensors carry a run axis first: a, u, z are [runs, batch, units], per-unit tensors [runs, 1, units].
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor

EPS = 1e-5
RUNNING_RATE = 0.1


class Saved(NamedTuple):
    """What backward needs of a forward pass: u, its scale 1/deviation or 1/length, and the mode."""

    u: Tensor
    inverse: Tensor
    training: bool


class NormGradients(NamedTuple):
    """Gradients of one backward pass.

    `pull` [runs, 1, units] is what a norm that depends on the weights adds to their gradient:
    dW = xᵀ da − pull · W.
    """

    da: Tensor
    gain: Tensor | None
    shift: Tensor
    pull: Tensor | None = None


@dataclass
class Norm:
    """z = gain · u + shift, where u is what the norm makes of a."""

    gain: Tensor
    shift: Tensor

    @classmethod
    def fresh(cls, weight: Tensor, groups: int) -> Self:  # weight (runs, n_in, units)
        """Make the norm of a layer that has just drawn its weights: gain 1, shift 0."""
        return cls(gain=ones(weight), shift=zeros(weight))

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        """Turn a into u, in place, and compute the scale that made it."""
        raise NotImplementedError

    def forward(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Saved]:
        """Compute z; in training, statistics are those of the batch and running ones move on."""
        u, inverse = self.normalise(a, weight, training)
        return torch.addcmul(self.shift, u, self.gain), Saved(u, inverse, training)

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        """Compute the gradients of a forward pass from dL/dz."""
        raise NotImplementedError

    def rescale(self, gain: Tensor, shift: Tensor, weight: Tensor) -> None:
        """Take the gain and shift that data-dependent initialisation found."""
        self.gain.copy_(gain)
        self.shift.copy_(shift)

    def adopt(self, a: Tensor) -> None:
        """Start running statistics, where there are any, at those of this batch."""

    def tensors(self) -> dict[str, Tensor]:
        """Name every tensor of the norm, trained or running."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Make the same norm of changed tensors, say of fewer runs."""
        return replace(self, **{name: change(tensor) for name, tensor in self.tensors().items()})


@dataclass
class Plain(Norm):
    """No normalisation: z = a + shift. The gain is 1 and not trained; init folds its own into W."""

    @classmethod
    def fresh(cls, weight: Tensor, groups: int) -> Self:
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

    def rescale(self, gain: Tensor, shift: Tensor, weight: Tensor) -> None:
        weight.mul_(gain)
        self.shift.copy_(shift)


@dataclass
class Batch(Norm):
    """Batch Normalization (Ioffe & Szegedy 2015, arXiv 1502.03167).

        u = (a − mean) / √(var + ε);  z = gain · u + shift

    In training the statistics are over the batch, one unit at a time, and the running ones take a tenth of
    them (the variance unbiased, as in PyTorch); in evaluation the running ones serve, so that a row's
    answer never depends on its neighbours. Training needs 2 rows.
    """

    running_mean: Tensor
    running_var: Tensor

    @classmethod
    def fresh(cls, weight: Tensor, groups: int) -> Self:
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
        # The means over the batch of du and du·u are gain times these two, by their count.
        rows = dz.shape[1]
        da = (dz - dshift / rows).addcmul_(saved.u, dgain / rows, value=-1).mul_(scale)
        return NormGradients(da=da, gain=dgain, shift=dshift)

    def adopt(self, a: Tensor) -> None:
        mean = a.mean(1, keepdim=True)
        self.running_mean.copy_(mean)
        self.running_var.copy_(_unbiased((a - mean).square_().mean(1, keepdim=True), a))


@dataclass
class Layer(Norm):
    """Layer Normalization (Ba, Kiros & Hinton 2016, arXiv 1607.06450).

        u = (a − mean) / √(var + ε);  z = gain · u + shift

    Statistics are over the units of one row, so training and evaluation compute the same thing and a batch
    of one is fine; gain and shift are per unit.
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
class RMS(Norm):
    """Root-mean-square normalisation (Zhang & Sennrich 2019, arXiv 1910.07467).

        u = a / √(mean(a²) + ε);  z = gain · u + shift

    Statistics are over the units of one row, so training and evaluation compute the same thing.
    """

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        inverse = a.square().mean(-1, keepdim=True).add_(EPS).rsqrt_()
        return a.mul_(inverse), inverse

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        u = saved.u
        du = dz * self.gain
        # A row has lost one degree of freedom, its length.
        along_u = (du * u).mean(-1, keepdim=True)
        da = du.addcmul_(u, along_u, value=-1).mul_(saved.inverse)
        return NormGradients(da=da, gain=(dz * u).sum(1, keepdim=True), shift=dz.sum(1, keepdim=True))


@dataclass
class Group(Norm):
    """Group Normalization (Wu & He 2018, arXiv 1803.08494).

        u = (a − mean) / √(var + ε);  z = gain · u + shift

    Statistics are over each of `groups` contiguous groups of the units of one row, which divide the units;
    training and evaluation compute the same thing. Gain and shift are per unit.
    """

    groups: int

    @classmethod
    def fresh(cls, weight: Tensor, groups: int) -> Self:
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


def ones(weight: Tensor) -> Tensor:
    """Make a per-unit tensor [runs, 1, units] of ones beside weights [runs, n_in, units]."""
    return torch.ones(weight.shape[0], 1, weight.shape[2], dtype=weight.dtype)


def zeros(weight: Tensor) -> Tensor:
    """Make a per-unit tensor [runs, 1, units] of zeros beside weights [runs, n_in, units]."""
    return torch.zeros(weight.shape[0], 1, weight.shape[2], dtype=weight.dtype)


def _unbiased(var: Tensor, a: Tensor) -> Tensor:
    return var * (a.shape[1] / (a.shape[1] - 1))
