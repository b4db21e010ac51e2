"""The convolution, by torch's own kernels."""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from models.nets.layers import KernelGradients, Layer, Tape
from models.nets.norm import Norm
from models.specs.plan import ConvWindow, LayerPlan


@dataclass
class Conv(Layer):
    """A convolution of square images: z = norm(x ∗ W), without flipping the kernels.

    W is [runs, fan_in, units], a patch flattened as (y, x, channel); x is [runs, batch, channels · side²] in
    any division of its last axis; z is [runs, batch, units, places]. A unit is an output channel. Run by
    run, torch's kernels are as fast as for all runs together, and no run changes the bits of another.
    """

    window: ConvWindow

    @classmethod
    def create(cls, plan: LayerPlan, weight: Tensor, norm: Norm) -> Self:
        """Create a layer of this plan."""
        if plan.window is None:
            raise ValueError("a convolution needs a window")
        return cls(weight, norm, plan.window)

    def product(self, x: Tensor) -> Tensor:
        """Compute a [runs, batch, units, places], before the norm."""
        stride, padding, dilation = self._geometry()
        return _stack(
            [
                torch.convolution(images, kernels, None, stride, padding, dilation, False, (0, 0), 1)
                for images, kernels in zip(self._images(x), self._kernels(), strict=True)
            ]
        ).flatten(3)

    def backward(self, dz: Tensor, tape: Tape) -> KernelGradients:
        """Compute the gradients of the layer's tensors from dL/dz [runs, batch, units, places]."""
        norm = self.norm.backward(dz, tape.saved)
        da, images = self._outputs(norm.da), self._images(tape.x)
        found = [
            self._backward(*run, of_input=False) for run in zip(da, images, self._kernels(), strict=True)
        ]
        return KernelGradients(_stack(found).permute(0, 3, 4, 2, 1).reshape_as(self.weight), norm, tape.x)

    def input_gradient(self, gradients: Any) -> Tensor:
        """Compute dL/dx [runs, batch, channels, side²]."""
        da, images = self._outputs(gradients.norm.da), self._images(gradients.x)
        found = [self._backward(*run, of_input=True) for run in zip(da, images, self._kernels(), strict=True)]
        return _stack(found).flatten(3)

    def _backward(self, da: Tensor, x: Tensor, kernel: Tensor, of_input: bool) -> Tensor:
        wanted = (of_input, not of_input, False)
        found: Any = torch.ops.aten.convolution_backward(
            da, x, kernel, None, *self._geometry(), False, (0, 0), 1, wanted
        )
        gradient: Tensor = found[0] if of_input else found[1]
        return gradient

    def _geometry(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """Return stride, padding and dilation, each down and across."""
        stride, padding = self.window.stride, (self.window.size - 1) // 2
        return (stride, stride), (padding, padding), (1, 1)

    def _image(self) -> tuple[int, int, int]:
        return self.window.channels, self.window.side, self.window.side

    def _images(self, x: Tensor) -> Tensor:  # (runs, batch, channels, side, side)
        return x.view(*x.shape[:2], *self._image())

    def _outputs(self, da: Tensor) -> Tensor:  # (runs, batch, units, side_out, side_out)
        return da.view(*da.shape[:3], self.window.side_out, self.window.side_out)

    def _kernels(self) -> Tensor:  # (runs, units, channels, size, size)
        window = self.window
        weight = self.weight.view(-1, window.size, window.size, window.channels, self.weight.shape[2])
        return weight.permute(0, 4, 3, 1, 2).contiguous()


def _stack(runs: list[Tensor]) -> Tensor:
    return runs[0].unsqueeze(0) if len(runs) == 1 else torch.stack(runs)
