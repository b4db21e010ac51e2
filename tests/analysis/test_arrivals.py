"""The first step that reaches a level; runs that never reach it are censored."""

import numpy as np
import pytest

from analysis.arrivals import Arrival, arrival_in_training, arrival_on_test, summarise_arrivals


def test_the_train_accuracy_arrives_with_the_mean_of_fifty_steps() -> None:
    accuracy = np.concatenate([np.full(100, 0.5), np.ones(100)])

    assert arrival_in_training(accuracy, 0.5, 128) == Arrival(50, 200)
    assert arrival_in_training(accuracy, 0.9, 128) == Arrival(140, 200)
    assert arrival_in_training(accuracy, 1.0, 128) == Arrival(150, 200)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.97])
@pytest.mark.parametrize("batch_size", [1, 3, 7, 100, 128, 300, 1000, 4096])
def test_a_mean_that_equals_the_level_has_reached_it(batch_size: int, level: float) -> None:
    # Shares as they are measured, in float32; the mean of the last 50 steps is the level, if it can be.
    needed = round(level * 100) * batch_size * 50 // 100
    at_level = [needed // 50 + (step >= 50 - needed % 50) for step in range(50)]
    accuracy = (np.array([0] * 10 + at_level) / np.float32(batch_size)).astype(np.float32)

    exact = needed * 100 == round(level * 100) * batch_size * 50
    found = arrival_in_training(accuracy.astype(np.float64), level, batch_size)

    assert found == Arrival(60 if exact else None, 60)


def test_a_step_without_an_accuracy_counts_as_wrong() -> None:
    accuracy = np.concatenate([np.ones(59), [np.nan]])

    assert arrival_in_training(accuracy[10:], 0.99, 8) == Arrival(None, 50)
    assert arrival_in_training(accuracy[10:], 0.98, 8) == Arrival(50, 50)


def test_a_run_that_does_not_arrive_is_censored_at_its_last_step() -> None:
    assert arrival_in_training(np.full(70, 0.5), 0.9, 128) == Arrival(None, 70)
    assert arrival_in_training(np.ones(49), 0.9, 128) == Arrival(None, 49)
    assert arrival_on_test(np.array([100, 200]), np.array([0.8, 0.89]), 0.9) == Arrival(None, 200)
    assert arrival_on_test(np.array([], dtype=int), np.array([]), 0.9) == Arrival(None, 0)


def test_the_test_accuracy_arrives_with_an_evaluation() -> None:
    assert arrival_on_test(np.array([100, 200, 300]), np.array([0.8, 0.9, 0.95]), 0.9) == Arrival(200, 300)


def test_arms_whose_runs_all_arrive_have_a_mean() -> None:
    found = summarise_arrivals([Arrival(100, 1000), Arrival(200, 1000), Arrival(600, 1000)])

    assert (found.n, found.n_censored, found.mean, found.median) == (3, 0, 300, 200)


def test_a_censored_run_leaves_a_median_and_no_mean() -> None:
    found = summarise_arrivals([Arrival(100, 1000), Arrival(200, 1000), Arrival(None, 900)])

    assert (found.n_censored, found.mean, found.median, found.censored_after) == (1, None, 200, 900)


def test_a_median_among_the_censored_is_none() -> None:
    assert summarise_arrivals([Arrival(100, 1000), Arrival(None, 1000)]).median is None
    assert summarise_arrivals([]).median is None
