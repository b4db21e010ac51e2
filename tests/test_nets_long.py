"""The accuracies of the article's arms on the other nets, on real MNIST, beside those of another trainer."""

import json
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from models.data.digits import Digits
from models.specs.comparison import ComparisonSpec
from models.training.loop import Run, Training
from tests.fixtures import Figure

REFERENCE: dict[str, dict[str, list[float]]] = json.loads(
    (Path(__file__).parent / "reference" / "accuracy_nets.json").read_text()
)["test_accuracy"]
LEAST_P = 0.001
"""Of ten tests of two means, one in a hundred has a smaller p although there is no difference."""


@pytest.mark.long
@pytest.mark.parametrize(("net", "arm"), [(net, arm) for net, arms in REFERENCE.items() for arm in arms])
def test_five_seeds_are_as_accurate_as_those_of_another_trainer(
    net: str, arm: str, mnist: Digits, figure: Figure
) -> None:
    fields: Any = {"preset": f"article_{net}", "seeds": 5, "base": {"eval_every": 1000}}
    specs = [run.spec for run in ComparisonSpec(**fields).runs() if run.arm == arm]

    spans = chain.from_iterable(Training([Run(spec) for spec in specs], mnist).spans())
    found = [span.rows[-1].test_accuracy for span in spans if span.rows[-1].step == 1000]

    expected = REFERENCE[net][arm]
    figure(f"{net}, {arm}: test accuracies of five seeds", found, f"those of three others are {expected}")
    assert len(found) == 5
    assert stats.ttest_ind(found, expected).pvalue > LEAST_P
