"""Random numbers by purpose: independent streams of one seed that never shift each other."""

import hashlib
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

BLOCK_STEPS = 32


class Purpose(IntEnum):
    """What a stream is for; a new purpose takes a new number, so that the old ones stay as they are."""

    WEIGHTS = 0
    BATCHES = 1


def generator(seed: int, purpose: Purpose, index: int) -> np.random.Generator:
    """Open the stream of one seed, purpose and index (a layer, a block of batches)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(purpose, index))))


def standard_weights(seed: int, layer: int, n_in: int, n_units: int) -> Tensor:
    """Draw a layer's weights [n_in, n_units] in float32 from a normal cut at 2 standard deviations.

    The draw is not rescaled after the cut; it depends on seed, layer and shape alone, so that every norm
    starts from the same numbers.
    """
    tail = torch.special.ndtr(torch.tensor(-2.0, dtype=torch.float64)).item()
    uniform = generator(seed, Purpose.WEIGHTS, layer).uniform(tail, 1 - tail, (n_in, n_units))
    draw: Tensor = torch.special.ndtri(torch.from_numpy(uniform))
    return draw.float()


class BatchOrder:
    """The rows that each step of a run trains on, drawn with replacement.

    Rows are drawn in blocks of `BLOCK_STEPS` steps from (seed, block number): a step's rows depend neither
    on how steps are grouped nor on where a run was taken up again.
    """

    def __init__(self, seed: int, batch_size: int, n_rows: int) -> None:
        self.seed = seed
        self.batch_size = batch_size
        self.n_rows = n_rows

    def block(self, number: int) -> np.ndarray:
        """Draw the rows [BLOCK_STEPS, batch_size] of steps number · BLOCK_STEPS + 1 and on."""
        shape = (BLOCK_STEPS, self.batch_size)
        return generator(self.seed, Purpose.BATCHES, number).integers(0, self.n_rows, shape)

    def digest(self) -> str:
        """Answer the sha256 of the first block, from which equal streams are known: the rest follows."""
        return hashlib.sha256(self.block(0).astype("<i8").tobytes()).hexdigest()


def init_digest(weights: list[Tensor]) -> str:
    """Answer the sha256 of the standard draws of all layers, before weight_std and init."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(weight.contiguous().numpy().tobytes())
    return digest.hexdigest()
