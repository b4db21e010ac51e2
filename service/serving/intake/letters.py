"""How much more an image looks like a letter, a scribble or a blob than like a digit.

A small net has learned MNIST's training digits and, as an eleventh class, drawn letters, scribbles and blobs
(outlier exposure: Hendrycks, Mazeika & Dietterich 2019, arXiv 1812.04606). `benchmarks/letters.py` trains it.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.serving.intake.blocks import Rows, product, product_of_ink

FILE = Path(__file__).with_name("letters.npz")


@dataclass(frozen=True, eq=False)
class LetterNet:
    """The weights of the net, and how much its digits exceed zero at most."""

    hidden: Rows  # (784, 256)
    hidden_shift: Rows  # (256,)
    output: Rows  # (256, 11): ten digits, and what is none
    output_shift: Rows  # (11,)
    limit: Rows  # (): 1 % of the validation digits are above

    def excess(self, images: Rows) -> Rows:  # (rows, 784) -> (rows,)
        """Return how far the logit of "no digit" exceeds the largest of a digit."""
        active = np.maximum(product_of_ink(images, self.hidden) + self.hidden_shift, 0)
        logits = product(active, self.output) + self.output_shift
        excess: Rows = logits[:, 10] - logits[:, :10].max(1)
        return excess

    def suspects(self, images: Rows) -> npt.NDArray[np.bool_]:  # (rows, 784) -> (rows,)
        """Return which images are rather letters than digits."""
        suspects: npt.NDArray[np.bool_] = self.excess(images) > self.limit
        return suspects


def save(net: LetterNet, file: Path = FILE) -> None:
    """Write the weights in half precision."""
    np.savez_compressed(file, **{name: value.astype(np.float16) for name, value in vars(net).items()})


@cache
def of_mnist() -> LetterNet:
    """Read the net that comes with the code."""
    with np.load(FILE) as stored:
        return LetterNet(**{name: stored[name].astype(np.float32) for name in stored.files})
