"""The norms of weights: they divide each unit's product by the length of its weights."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from models.nets.norm import (
    Folded,
    Norm,
    NormGradients,
    Saved,
    Scaling,
    mean_of_units,
    per_unit,
    sum_of_units,
    values_per_unit,
    zeros,
)
from models.specs.facts import RUNNING_RATE

LEAST_SQUARE, LARGEST_SQUARE = 2.0**-80, 2.0**120
"""The range of ‖v‖² in which float32 keeps all its digits: below it, squares of single weights are lost."""


@dataclass
class WeightNorm(Norm):
    """Weight Normalization (Salimans & Kingma 2016, arXiv 1602.07868).

        t = x v / ‖v‖;  z = gain · t + shift

    ‖v‖ is the length of a unit's weights, so training and evaluation are the same. The gain starts at ‖v‖,
    so the net starts as the un-normalised net. There is no ε: t depends on the direction of v only, however
    short or long v is. If v is 0, t is 0, and so is the gradient of v.
    """

    @classmethod
    def create(cls, weight: Tensor, groups: int) -> Self:
        square, lift = squared_length(weight)
        length = square.sqrt_()
        return cls(gain=length if lift is None else length / lift, shift=zeros(weight))

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        inverse, _ = inverse_length(weight)
        return a.mul_(per_unit(inverse, a)), inverse

    def forward(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Saved]:
        inverse, lift = inverse_length(weight)
        t = a.mul_(per_unit(inverse, a))
        z = torch.addcmul(per_unit(self.shift, t), t, per_unit(self.gain, t))
        return z, Saved(t, inverse, training, lift)

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        dgain = sum_of_units(dz * saved.u)
        scale = self.gain * saved.inverse
        # v̂·dv̂ = Σ_batch dt·t = gain · dgain, so no second pass over the weights is needed.
        projection = (dgain * scale).mul_(saved.inverse if saved.lift is None else saved.inverse / saved.lift)
        da = dz * per_unit(scale, dz)
        return NormGradients(da, gain=dgain, shift=sum_of_units(dz), projection=projection, lift=saved.lift)

    def fold(self, weight: Tensor) -> Folded:
        inverse, _ = inverse_length(weight)
        return Folded(weight * (self.gain * inverse), self.shift)

    @staticmethod
    def at_step(a: Tensor, scaling: Scaling) -> Tensor:
        return scaling.apply(a)


@dataclass
class WeightMeanOnlyBatchNorm(WeightNorm):
    """Weight Normalization with mean-only batch normalisation (Salimans & Kingma 2016, section 2.3).

        s = gain · x v / ‖v‖;  z = s − mean(s) + shift

    In training, the mean is over the batch, which needs at least 2 rows, and its places; evaluation uses the
    running mean.
    """

    running_mean: Tensor

    @classmethod
    def create(cls, weight: Tensor, groups: int) -> Self:
        plain = WeightNorm.create(weight, groups)
        return cls(gain=plain.gain, shift=plain.shift, running_mean=zeros(weight))

    def forward(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Saved]:
        inverse, lift = inverse_length(weight)
        t = a.mul_(per_unit(inverse, a))
        s = t * per_unit(self.gain, t)
        mean = self.running_mean
        if training:
            mean = mean_of_units(s)
            self.running_mean.lerp_(mean, RUNNING_RATE)
        z = s.sub_(per_unit(mean, s)).add_(per_unit(self.shift, s))
        return z, Saved(t, inverse, training, lift)

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        dshift = sum_of_units(dz)
        centred = dz - per_unit(dshift / values_per_unit(dz), dz) if saved.training else dz
        return super().backward(centred, saved)._replace(shift=dshift)

    def fold(self, weight: Tensor) -> Folded:
        folded = super().fold(weight)
        return folded._replace(shift=folded.shift - self.running_mean)

    def set_gain_and_shift(self, gain: Tensor, shift: Tensor, weight: Tensor) -> None:
        # forward subtracts the batch mean, so the mean to subtract in evaluation is −shift.
        self.gain.copy_(gain)
        self.shift.zero_()
        self.running_mean.copy_(-shift)

    @staticmethod
    def at_step(a: Tensor, scaling: Scaling) -> Tensor:
        if scaling.running_mean is None:
            return a
        mean = scaling.running_mean
        if scaling.training:
            mean = a.mean(-2)
            scaling.running_mean.lerp_(mean.detach(), RUNNING_RATE)
        return scaling.apply(a - mean.unsqueeze(-2))


class Lifted(NamedTuple):
    """A value of each unit [runs, 1, units], and its lift.

    A lift is a power of two that brings v into the range where float32 keeps all digits of ‖v‖²: 1 for a unit
    that is there. It is None if all units are there.
    """

    value: Tensor
    lift: Tensor | None


def inverse_length(weight: Tensor) -> Lifted:
    """Compute 1 / ‖v‖, or 0 where v is 0, from weights [runs, n_in, units], and the lifts of their units."""
    square, lift = squared_length(weight)
    if lift is None:
        return Lifted(square.rsqrt_(), None)
    inverse = torch.where(square == 0, square, square.rsqrt())
    return Lifted(inverse.mul_(lift), lift)


def squared_length(weight: Tensor) -> Lifted:
    """Compute ‖lift · v‖² from weights [runs, n_in, units], and the lifts of their units."""
    v = weight.numpy()
    square = sum_of_squares(v)
    if square.min() >= LEAST_SQUARE and square.max() <= LARGEST_SQUARE:
        return Lifted(torch.from_numpy(square).unsqueeze(1), None)
    ordinary = (square >= LEAST_SQUARE) & (square <= LARGEST_SQUARE)
    _, exponent = np.frexp(np.abs(v).max(1))
    least = int(np.finfo(v.dtype).minexp)  # of a normal number, so that a lift and its inverse are normal
    exponent = np.where(ordinary, 0, exponent).clip(least, -least)
    lift = np.ldexp(v.dtype.type(1), -exponent)
    lifted = sum_of_squares(v * lift[:, None])
    return Lifted(torch.from_numpy(lifted).unsqueeze(1), torch.from_numpy(lift).unsqueeze(1))


def sum_of_squares(v: np.ndarray) -> np.ndarray:
    """Sum the squares of v [runs, n_in, units] over its inputs."""
    # einsum needs one pass and stores no squares: twice as fast as torch for weights larger than the cache.
    squares: np.ndarray = np.einsum("rio,rio->ro", v, v)
    return squares
