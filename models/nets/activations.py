"""The activation functions between layers, computed in place: h = act(z), and dL/dz from dL/dh and h."""

import torch
from torch import Tensor

from models.specs.spec import Activation


def apply_(activation: Activation, z: Tensor) -> Tensor:
    """Overwrite pre-activations z, of any shape, with h = act(z) and return them."""
    if activation == "relu":
        return z.relu_()
    if activation == "tanh":
        return z.tanh_()
    # torch.sigmoid gives other bits at other memory positions, so stacked runs would differ.
    return z.neg_().exp_().add_(1).reciprocal_()


def backward_(activation: Activation, dh: Tensor, h: Tensor) -> Tensor:
    """Overwrite dL/dh with dL/dz and return it; dh and h have the same shape.

    The derivatives, in terms of h: relu' = 1 where h > 0, tanh' = 1 − h², sigmoid' = h (1 − h).
    """
    if activation == "relu":
        torch.ops.aten.threshold_backward.grad_input(dh, h, 0, grad_input=dh)
        return dh
    return dh.mul_(h.square().neg_().add_(1) if activation == "tanh" else h * (1 - h))
