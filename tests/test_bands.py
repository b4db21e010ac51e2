"""The accuracy of the norms on real MNIST: means of five seeds in their bands, orderings that hold."""

import statistics
from typing import Any

import pytest

from tests.arms import ARMS, TrainedArm

pytestmark = pytest.mark.slow

# Lower test loss, paired by seed; what is not told apart is not here.
ORDERINGS = [
    ("batch", "none"),
    ("layer", "none"),
    ("weight+init", "weight"),
    ("weight+init", "none+init"),
    ("layer+init", "layer"),
    ("batch+init", "batch"),
    ("weight_mean_only_batch+init", "weight_mean_only_batch"),
]


@pytest.mark.parametrize("arm", ARMS)
def test_the_mean_of_five_seeds_lies_in_its_band(
    arm: str, trained_arm: TrainedArm, bands: dict[str, Any]
) -> None:
    accuracy, loss = (
        statistics.mean(rows[-1][metric] for rows in trained_arm(arm))
        for metric in ("test_accuracy", "test_loss")
    )

    low, high = bands[arm]["test_acc"]["mean_of_5_seeds"]
    assert low <= accuracy <= high
    low, high = bands[arm]["test_loss"]["mean_of_5_seeds"]
    assert low <= loss <= high


@pytest.mark.parametrize(("better", "worse"), ORDERINGS)
def test_an_ordering_of_the_papers_holds(better: str, worse: str, trained_arm: TrainedArm) -> None:
    pairs = zip(trained_arm(better), trained_arm(worse), strict=True)

    assert statistics.mean(low[-1]["test_loss"] - high[-1]["test_loss"] for low, high in pairs) < 0
