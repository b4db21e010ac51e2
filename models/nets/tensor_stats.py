"""Mean, standard deviation, minimum and maximum of a tensor."""

from dataclasses import dataclass
from typing import Self

from torch import Tensor


@dataclass(frozen=True)
class TensorStats:
    """Statistics over the units of a layer, or over its units and the rows of a batch."""

    mean: float
    sd: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Tensor) -> Self:
        """Summarise all entries of a tensor; the standard deviation divides by their count."""
        return cls(
            mean=values.mean().item(),
            sd=values.std(correction=0).item(),
            min=values.min().item(),
            max=values.max().item(),
        )
