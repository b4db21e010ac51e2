"""Random numbers by purpose: independent streams of one seed that never shift each other."""

import hashlib
from enum import IntEnum
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

BLOCK_STEPS = 32
DRAW_ROWS = 64


class Purpose(IntEnum):
    """What a stream is for; a new purpose takes a new number, so that the old ones stay as they are."""

    WEIGHTS = 0
    BATCHES = 1
    GAINS = 2
    EPOCHS = 3


def generator(seed: int, purpose: Purpose, index: int) -> np.random.Generator:
    """Open the stream of one seed, purpose and index (a layer, a block of batches)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(purpose, index))))


def standard_draw(seed: int, purpose: Purpose, layer: int, shape: tuple[int, int]) -> Tensor:
    """Draw numbers in float32 from a normal cut at 2 standard deviations.

    The draw is not rescaled after the cut; it depends on seed, purpose, layer and shape alone, so that
    every norm starts from the same weights [n_in, n_units].
    """
    tail = torch.special.ndtr(torch.tensor(-2.0, dtype=torch.float64)).item()
    stream = generator(seed, purpose, layer)
    draw = torch.empty(shape)
    # Piece by piece: numbers in float64 would take twice the memory of the net.
    for rows in torch.split(draw, DRAW_ROWS):
        rows.copy_(torch.special.ndtri(torch.from_numpy(stream.uniform(tail, 1 - tail, rows.shape))))
    return draw


class BatchOrder:
    """The rows that each step of a run trains on, drawn with replacement.

    Rows come in blocks of `BLOCK_STEPS` steps that depend on (seed, block number) alone: a step's rows
    depend neither on how steps are grouped nor on where a run was taken up again.
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


class EpochOrder(BatchOrder):
    """The rows of a run that sees every row once an epoch, shuffled anew; a last short batch is dropped."""

    def __init__(self, seed: int, batch_size: int, n_rows: int) -> None:
        super().__init__(seed, batch_size, n_rows)
        self._shuffled = lru_cache(maxsize=2)(self._shuffle)

    def block(self, number: int) -> np.ndarray:
        """Read the rows [BLOCK_STEPS, batch_size] of steps number · BLOCK_STEPS + 1 and on."""
        first = number * BLOCK_STEPS
        return np.stack([self._batch(step) for step in range(first, first + BLOCK_STEPS)])

    def _batch(self, step: int) -> np.ndarray:
        epoch, place = divmod(step, self.n_rows // self.batch_size)
        return self._shuffled(epoch)[place * self.batch_size : (place + 1) * self.batch_size]

    def _shuffle(self, epoch: int) -> np.ndarray:
        return generator(self.seed, Purpose.EPOCHS, epoch).permutation(self.n_rows)


ORDERS: dict[str, type[BatchOrder]] = {"replace": BatchOrder, "epoch": EpochOrder}


def init_digest(weights: list[Tensor]) -> str:
    """Answer the sha256 of the standard draws of all layers, before weight_std and init."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(weight.contiguous().numpy().data)
    return digest.hexdigest()
