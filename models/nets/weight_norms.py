"""The norms of weights: they divide each unit's product by the length of its weights."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from models.nets.norm import RUNNING_RATE, Norm, NormGradients, Saved, zeros


@dataclass
class WeightNorm(Norm):
    """Weight Normalization (Salimans & Kingma 2016, arXiv 1602.07868).

        t = x v / ‖v‖;  z = gain · t + shift

    ‖v‖ is the length of a unit's weights, so training and evaluation are the same. There is no ε: `create`
    raises ValueError if ‖v‖ = 0. The gain starts at ‖v‖, so the net starts as the un-normalised net.
    """

    @classmethod
    def create(cls, weight: Tensor, groups: int) -> Self:
        length = squared_length(weight).sqrt_()
        if bool((length == 0).any()):
            raise ValueError("the weights of a unit are all zero; Weight Normalization needs a direction")
        return cls(gain=length, shift=zeros(weight))

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        inverse = squared_length(weight).rsqrt_()
        return a.mul_(inverse), inverse

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        dgain = (dz * saved.u).sum(1, keepdim=True)
        scale = self.gain * saved.inverse
        # v̂·dv̂ = Σ_batch dt·t = gain · dgain, so no second pass over the weights is needed.
        projection = (dgain * scale).mul_(saved.inverse)
        return NormGradients(da=dz * scale, gain=dgain, shift=dz.sum(1, keepdim=True), projection=projection)


@dataclass
class WeightMeanOnlyBatchNorm(WeightNorm):
    """Weight Normalization with mean-only batch normalisation (Salimans & Kingma 2016, section 2.3).

        s = gain · x v / ‖v‖;  z = s − mean(s) + shift

    In training, the mean is over the batch, which needs at least 2 rows; evaluation uses the running mean.
    """

    running_mean: Tensor

    @classmethod
    def create(cls, weight: Tensor, groups: int) -> Self:
        plain = WeightNorm.create(weight, groups)
        return cls(gain=plain.gain, shift=plain.shift, running_mean=zeros(weight))

    def forward(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Saved]:
        t, inverse = self.normalise(a, weight, training)
        s = t * self.gain
        mean = self.running_mean
        if training:
            mean = s.mean(1, keepdim=True)
            self.running_mean.lerp_(mean, RUNNING_RATE)
        return s.sub_(mean).add_(self.shift), Saved(t, inverse, training)

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        dshift = dz.sum(1, keepdim=True)
        centred = dz - dshift / dz.shape[1] if saved.training else dz
        return super().backward(centred, saved)._replace(shift=dshift)

    def set_gain_and_shift(self, gain: Tensor, shift: Tensor, weight: Tensor) -> None:
        # forward subtracts the batch mean, so the mean to subtract in evaluation is −shift.
        self.gain.copy_(gain)
        self.shift.zero_()
        self.running_mean.copy_(-shift)


def squared_length(weight: Tensor) -> Tensor:
    """Compute ‖v‖² [runs, 1, units] from weights [runs, n_in, units]."""
    v = weight.numpy()
    # einsum needs one pass and stores no squares: twice as fast as torch for weights larger than the cache.
    return torch.from_numpy(np.einsum("rio,rio->ro", v, v)).unsqueeze(1)
