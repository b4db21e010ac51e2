"""The non-linearities between layers, forward in place and backward from what they answered."""

import torch
from torch import Tensor

from models.specs.spec import Activation


def apply_(activation: Activation, z: Tensor) -> Tensor:
    """Turn pre-activations into h = act(z), in place."""
    if activation == "relu":
        return z.relu_()
    if activation == "tanh":
        return z.tanh_()
    # The bits of torch.sigmoid depend on a value's place in memory: stacked runs would differ.
    return z.neg_().exp_().add_(1).reciprocal_()


def backward_(activation: Activation, dh: Tensor, h: Tensor) -> Tensor:
    """Turn dL/dh into dL/dz, in place: relu passes where h > 0, tanh' = 1 − h², sigmoid' = h (1 − h)."""
    if activation == "relu":
        torch.ops.aten.threshold_backward.grad_input(dh, h, 0, grad_input=dh)
        return dh
    return dh.mul_(h.square().neg_().add_(1) if activation == "tanh" else h * (1 - h))
