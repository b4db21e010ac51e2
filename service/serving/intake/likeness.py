"""How like MNIST's digits an image is: a Gaussian per digit in the space of 50 principal components.

The Gaussians are those of quadratic discriminant analysis (Hastie, Tibshirani, Friedman 2009, section 4.3),
each covariance drawn a tenth towards that of all images. What lies outside the 50 components counts too:
letters and textures have much of it.
"""

from dataclasses import dataclass, fields
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.serving.intake.blocks import Rows, product

FILE = Path(__file__).with_name("likeness.npz")
N_COMPONENTS, SHRINKAGE = 50, 0.1


@dataclass(frozen=True, eq=False)
class Likeness:
    """The mean and the principal components of all digits, and a Gaussian for each of the ten."""

    mean: Rows  # (784,)
    components: Rows  # (784, 50)
    centres: Rows  # (10, 50)
    whitenings: Rows  # (10, 50, 50): inverse Cholesky factors of the covariances
    log_volumes: Rows  # (10,): log-determinants of the covariances

    def distances(self, images: Rows) -> tuple[Rows, Rows]:  # (rows, 784) -> (rows, 10), (rows,)
        """Return twice the negative log-likelihood of each digit, without constants, and the rest.

        The rest is the squared length of what the components do not express.
        """
        shifted = images - self.mean
        scores = product(shifted, self.components)
        rest = np.einsum("ij,ij->i", shifted, shifted) - np.einsum("ij,ij->i", scores, scores)
        whitened = (product(scores, self._all_whitenings) - self._white_centres).reshape(len(images), 10, -1)
        return np.einsum("ijk,ijk->ij", whitened, whitened) + self.log_volumes, rest

    @cached_property
    def _all_whitenings(self) -> Rows:  # (50, 10 * 50)
        whitenings: Rows = self.whitenings.transpose(2, 0, 1).reshape(N_COMPONENTS, -1)
        return whitenings

    @cached_property
    def _white_centres(self) -> Rows:  # (10 * 50,)
        centres: Rows = np.einsum("ijk,ik->ij", self.whitenings, self.centres).ravel()
        return centres


def fit(images: Rows, labels: npt.NDArray[np.int64]) -> Likeness:  # (rows, 784) in [0, 1], (rows,)
    """Fit the Gaussians to training images."""
    mean = images.mean(0)
    shifted = images - mean
    _, vectors = np.linalg.eigh((shifted.T @ shifted / len(images)).astype(np.float64))
    components = vectors[:, : -N_COMPONENTS - 1 : -1].astype(np.float32)
    scores = shifted @ components
    everything = np.cov(scores.T)
    groups = [scores[labels == digit] for digit in range(10)]
    spreads = [(1 - SHRINKAGE) * np.cov(group.T) + SHRINKAGE * everything for group in groups]
    whitenings = [np.linalg.inv(np.linalg.cholesky(spread)) for spread in spreads]
    return Likeness(
        mean,
        components,
        np.array([group.mean(0) for group in groups]),
        np.array(whitenings, np.float32),
        np.array([-2 * np.log(np.diag(each)).sum() for each in whitenings], np.float32),
    )


def save(likeness: Likeness, file: Path = FILE) -> None:
    """Write the Gaussians in half precision."""
    arrays = {each.name: getattr(likeness, each.name) for each in fields(likeness)}
    np.savez_compressed(file, **{name: array.astype(np.float16) for name, array in arrays.items()})


@cache
def of_mnist() -> Likeness:
    """Read the Gaussians of MNIST's training images, which come with the code."""
    with np.load(FILE) as stored:
        return Likeness(**{name: stored[name].astype(np.float32) for name in stored.files})
