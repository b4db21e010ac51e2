"""The figures of all seven norms on real MNIST: means of five seeds in their bands, orderings that hold."""

import statistics
from functools import cache
from itertools import product
from typing import Any

import pytest

from models.data import Digits
from models.facts import NORMS
from models.spec import MetricRow, TrainSpec
from models.train import Run, Training

SEEDS = range(5)
ARMS = [norm + "+init" * init for norm, init in product(NORMS, (False, True))]
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


@pytest.fixture(scope="module")
def last_rows(digits: Digits) -> Any:
    """The last rows of an arm's five seeds, trained once."""

    @cache
    def train(arm: str) -> list[MetricRow]:
        norm: Any = arm.removesuffix("+init")
        specs = [TrainSpec(norm=norm, init="+" in arm, seed=seed, eval_every=1000) for seed in SEEDS]
        return [span.rows[-1] for span in list(Training([Run(spec) for spec in specs], digits).spans())[-1]]

    return train


@pytest.mark.parametrize("arm", ARMS)
def test_the_mean_of_five_seeds_lies_in_its_band(arm: str, last_rows: Any, bands: dict[str, Any]) -> None:
    accuracy = statistics.mean(row.test_accuracy for row in last_rows(arm))
    loss = statistics.mean(row.test_loss for row in last_rows(arm))

    low, high = bands[arm]["test_acc"]["mean_of_5_seeds"]
    assert low <= accuracy <= high
    low, high = bands[arm]["test_loss"]["mean_of_5_seeds"]
    assert low <= loss <= high


@pytest.mark.parametrize(("better", "worse"), ORDERINGS)
def test_an_ordering_of_the_papers_holds(better: str, worse: str, last_rows: Any) -> None:
    pairs = zip(last_rows(better), last_rows(worse), strict=True)

    assert statistics.mean(low.test_loss - high.test_loss for low, high in pairs) < 0
