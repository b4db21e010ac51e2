"""Random streams: independent by purpose, reproducible, and with the right distributions."""

import hashlib

import numpy as np
import pytest
import torch

from models.training.streams import BLOCK_STEPS, BatchOrder, EpochOrder, Purpose, draw_truncated_normal


def test_weights_are_a_normal_cut_at_two_deviations() -> None:
    draw = draw_truncated_normal(0, Purpose.WEIGHTS, 0, (784, 128))

    assert draw.abs().max() <= 2
    # The deviation of a standard normal cut at 2 is 0.8796.
    assert draw.std().item() == pytest.approx(0.8796, abs=0.005)
    assert draw.mean().item() == pytest.approx(0, abs=0.01)


def test_layers_draw_from_streams_of_their_own() -> None:
    draws = [draw_truncated_normal(0, Purpose.WEIGHTS, layer, (8, 8)) for layer in (0, 1)]

    assert not torch.equal(*draws)


def test_a_block_of_batches_does_not_depend_on_the_blocks_before_it() -> None:
    first, second = BatchOrder(9, 4, 100), BatchOrder(9, 4, 100)
    first.block(0)

    np.testing.assert_array_equal(first.block(5), second.block(5))


def test_batches_draw_every_row_alike() -> None:
    counts = np.bincount(BatchOrder(1, 1000, 10).block(0).ravel(), minlength=10)

    # 3,200 each are expected; four deviations are about 215.
    assert counts.sum() == BLOCK_STEPS * 1000
    assert np.abs(counts - BLOCK_STEPS * 100).max() < 215


def test_the_digest_is_the_sha256_of_the_drawn_rows() -> None:
    order = BatchOrder(4, 8, 50)

    assert order.digest() == hashlib.sha256(order.block(0).astype("<i8").tobytes()).hexdigest()


def test_an_epoch_holds_every_row_at_most_once_and_drops_the_short_batch() -> None:
    order = EpochOrder(3, 7, 100)

    steps = np.concatenate([order.block(number) for number in range(2)])[: 2 * 14]

    assert [len(set(epoch.ravel())) for epoch in (steps[:14], steps[14:])] == [98, 98]
    assert set(steps[:14].ravel()) != set(steps[14:].ravel())


def test_epochs_do_not_depend_on_the_blocks_before_them() -> None:
    first, second = EpochOrder(3, 40, 100), EpochOrder(3, 40, 100)
    first.block(0)

    np.testing.assert_array_equal(first.block(5), second.block(5))
