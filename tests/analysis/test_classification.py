"""Confusion, precision, recall and calibration are what their definitions say, in whole numbers."""

from dataclasses import astuple
from itertools import pairwise

import numpy as np
import pytest

from analysis.classification import (
    N_BINS,
    ClassStatistics,
    calibrate,
    confusion_matrix,
    statistics_per_class,
)

LABELS = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 0, 0])


def test_the_confusion_matrix_counts_labels_in_rows_and_predictions_in_columns() -> None:
    found = confusion_matrix(LABELS, PREDICTED, 4)

    assert found.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_a_class_without_examples_or_predictions_has_no_shares() -> None:
    found = statistics_per_class(confusion_matrix(LABELS, PREDICTED, 4))

    assert found == [
        ClassStatistics(0, precision=2 / 4, recall=2 / 3, support=3),
        ClassStatistics(1, precision=1 / 2, recall=1 / 2, support=2),
        ClassStatistics(2, precision=None, recall=0.0, support=1),
        ClassStatistics(3, precision=None, recall=None, support=0),
    ]


def test_the_calibration_error_weighs_each_bin_by_its_examples() -> None:
    confidence = np.array([0.95, 0.97, 0.99, 0.5])
    is_right = np.array([True, True, False, True])

    found = calibrate(confidence, is_right)

    assert found.expected_calibration_error == pytest.approx((3 * abs(2 / 3 - 0.97) + abs(1 - 0.5)) / 4)
    assert astuple(found.bins[7]) == pytest.approx((7 / 15, 8 / 15, 1, 0.5, 1))
    assert astuple(found.bins[14]) == pytest.approx((14 / 15, 1, 3, 0.97, 2 / 3))
    assert [index for index, each in enumerate(found.bins) if each.n] == [7, 14]


def test_a_bin_contains_its_upper_edge_and_the_bins_cover_everything() -> None:
    edges = np.linspace(0, 1, N_BINS + 1)

    found = calibrate(edges, np.ones(N_BINS + 1, bool))

    assert [each.n for each in found.bins] == [2] + [1] * (N_BINS - 1)
    assert [(each.low, each.high) for each in found.bins] == list(pairwise(edges))


def test_confidences_that_are_kept_have_no_error() -> None:
    confidence = np.repeat([0.25, 0.75], 400)
    is_right = np.arange(800) % 400 < 400 * confidence

    assert calibrate(confidence, is_right).expected_calibration_error == 0
