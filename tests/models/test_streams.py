"""Random streams: by purpose, reproducible, and shaped as the science asks."""

import hashlib

import numpy as np
import pytest
import torch

from models.streams import BLOCK_STEPS, BatchOrder, standard_weights


def test_weights_are_a_normal_cut_at_two_deviations() -> None:
    draw = standard_weights(0, 0, 784, 128)

    assert draw.abs().max() <= 2
    # The deviation of a standard normal cut at 2 is 0.8796.
    assert draw.std().item() == pytest.approx(0.8796, abs=0.005)
    assert draw.mean().item() == pytest.approx(0, abs=0.01)


def test_layers_draw_from_streams_of_their_own() -> None:
    assert not torch.equal(standard_weights(0, 0, 8, 8), standard_weights(0, 1, 8, 8))


def test_a_block_of_batches_does_not_depend_on_the_blocks_before_it() -> None:
    first, second = BatchOrder(9, 4, 100), BatchOrder(9, 4, 100)
    first.block(0)

    np.testing.assert_array_equal(first.block(5), second.block(5))


def test_batches_draw_every_row_alike() -> None:
    counts = np.bincount(BatchOrder(1, 1000, 10).block(0).ravel(), minlength=10)

    # 3,200 each are expected; four deviations are about 215.
    assert counts.sum() == BLOCK_STEPS * 1000
    assert np.abs(counts - BLOCK_STEPS * 100).max() < 215


def test_the_digest_is_that_of_the_rows_that_are_drawn() -> None:
    order = BatchOrder(4, 8, 50)

    assert order.digest() == hashlib.sha256(order.block(0).astype("<i8").tobytes()).hexdigest()
