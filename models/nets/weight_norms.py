"""The norms that divide a product by the length of its weights."""

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

    ‖v‖ is the length of a unit's weights; training and evaluation compute the same thing. There is no ε:
    a unit with ‖v‖ = 0 is an error. Without init, gain = ‖v‖: the un-normalised net exactly.
    """

    @classmethod
    def fresh(cls, weight: Tensor, groups: int) -> Self:
        length = squared_length(weight).sqrt_()
        if bool((length == 0).any()):
            raise ValueError("a unit's weights are all zero: Weight Normalization has no direction for it")
        return cls(gain=length, shift=zeros(weight))

    def normalise(self, a: Tensor, weight: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        inverse = squared_length(weight).rsqrt_()
        return a.mul_(inverse), inverse

    def backward(self, dz: Tensor, saved: Saved) -> NormGradients:
        dgain = (dz * saved.u).sum(1, keepdim=True)
        scale = self.gain * saved.inverse
        # v̂·dv̂ = Σ_batch dt·t = gain · dgain: no second pass over the weights.
        pull = (dgain * scale).mul_(saved.inverse)
        return NormGradients(da=dz * scale, gain=dgain, shift=dz.sum(1, keepdim=True), pull=pull)


@dataclass
class WeightMeanOnlyBatchNorm(WeightNorm):
    """Weight Normalization with mean-only batch normalisation (Salimans & Kingma 2016, section 2.3).

        s = gain · x v / ‖v‖;  z = s − mean(s) + shift

    The mean is over the batch in training, which needs 2 rows, and the running one in evaluation.
    """

    running_mean: Tensor

    @classmethod
    def fresh(cls, weight: Tensor, groups: int) -> Self:
        plain = WeightNorm.fresh(weight, groups)
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

    def rescale(self, gain: Tensor, shift: Tensor, weight: Tensor) -> None:
        # The mean is taken away again, so the shift that centres a batch becomes the running mean.
        self.gain.copy_(gain)
        self.shift.zero_()
        self.running_mean.copy_(-shift)


def squared_length(weight: Tensor) -> Tensor:
    """Compute ‖v‖² [runs, 1, units] of each unit's weights [runs, n_in, units]."""
    v = weight.numpy()
    # One pass that writes no squares: for stacked weights, which no cache holds, twice as fast as torch.
    return torch.from_numpy(np.einsum("rio,rio->ro", v, v)).unsqueeze(1)
