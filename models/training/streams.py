"""Random numbers: each seed has an independent stream per purpose, so no stream ever shifts another."""

import hashlib
from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

BLOCK_STEPS = 32
DRAW_ROWS = 64


class Purpose(IntEnum):
    """The purpose of a stream. Numbers never change, or equal specs would get other bits."""

    WEIGHTS = 0
    BATCHES = 1
    GAINS = 2
    EPOCHS = 3


def generator(seed: int, purpose: Purpose, index: int) -> np.random.Generator:
    """Return the generator of one seed, purpose and index, such as the number of a layer or of a block."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(purpose, index))))


def draw_truncated_normal(seed: int, purpose: Purpose, layer: int, shape: tuple[int, int]) -> Tensor:
    """Draw float32 numbers from a standard normal distribution truncated at 2 standard deviations.

    They are not rescaled to variance 1. They depend only on seed, purpose, number of the layer and shape, so
    every norm starts from the same weights.
    """
    tail = torch.special.ndtr(torch.tensor(-2.0, dtype=torch.float64)).item()
    stream = generator(seed, purpose, layer)
    draw = torch.empty(shape)
    # In pieces, because all numbers in float64 would take twice the memory of the net.
    for rows in torch.split(draw, DRAW_ROWS):
        rows.copy_(torch.special.ndtri(torch.from_numpy(stream.uniform(tail, 1 - tail, rows.shape))))
    return draw


class BatchOrder:
    """The training rows of each step of a run, drawn with replacement.

    Blocks of `BLOCK_STEPS` steps depend only on the seed and the number of the block, so the rows of a step
    depend neither on how steps are grouped into spans nor on where a run was resumed.
    """

    def __init__(self, seed: int, batch_size: int, n_rows: int) -> None:
        self.seed = seed
        self.batch_size = batch_size
        self.n_rows = n_rows

    def block(self, number: int) -> np.ndarray:
        """Draw the rows [BLOCK_STEPS, batch_size] of a block, from step number · BLOCK_STEPS + 1 on."""
        shape = (BLOCK_STEPS, self.batch_size)
        return generator(self.seed, Purpose.BATCHES, number).integers(0, self.n_rows, shape)

    def digest(self) -> str:
        """Return the sha256 of the first block; streams with the same first block are the same."""
        return hashlib.sha256(self.block(0).astype("<i8").tobytes()).hexdigest()


class EpochOrder(BatchOrder):
    """The training rows of each step of a run in shuffled epochs, whose last, shorter batch is dropped."""

    def __init__(self, seed: int, batch_size: int, n_rows: int) -> None:
        super().__init__(seed, batch_size, n_rows)
        self._shuffled = lru_cache(maxsize=2)(self._shuffle)

    def block(self, number: int) -> np.ndarray:
        """Return the rows [BLOCK_STEPS, batch_size] of a block, from step number · BLOCK_STEPS + 1 on."""
        first = number * BLOCK_STEPS
        return np.stack([self._batch(step) for step in range(first, first + BLOCK_STEPS)])

    def _batch(self, step: int) -> np.ndarray:
        epoch, batch = divmod(step, self.n_rows // self.batch_size)
        return self._shuffled(epoch)[batch * self.batch_size : (batch + 1) * self.batch_size]

    def _shuffle(self, epoch: int) -> np.ndarray:
        return generator(self.seed, Purpose.EPOCHS, epoch).permutation(self.n_rows)


ORDERS: dict[str, type[BatchOrder]] = {"replace": BatchOrder, "epoch": EpochOrder}


def init_digest(draws: Iterable[Tensor]) -> str:
    """Return the sha256 of the standard draws of all weights, before weight_std and init."""
    digest = hashlib.sha256()
    for draw in draws:
        digest.update(draw.contiguous().numpy().data)
    return digest.hexdigest()
