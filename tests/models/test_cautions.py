"""The warnings about a valid spec."""

from typing import Any

import pytest

from models.specs.cautions import cautions
from models.specs.spec import TrainSpec
from models.training.start import build


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({}, []),
        ({"norm": "weight", "init": True}, []),
        ({"norm": "weight", "init": True, "weight_std": 0.01}, ["large_effective_step"]),
        ({"norm": "weight", "g_init": "one", "weight_std": 0.01}, ["large_effective_step"]),
        ({"norm": "weight", "weight_std": 0.01}, []),
        ({"norm": "weight", "init": True, "weight_std": 0.01, "optimizer": "adam"}, []),
        ({"norm": "weight", "init": True, "learning_rate": 10}, ["large_effective_step"]),
        ({"norm": "batch", "init": True, "weight_std": 0.01}, []),
        ({"norm": "group", "n_units": 16}, ["groups_of_two"]),
        ({"norm": "group", "n_units": 24}, []),
        ({"norm": "group", "n_units": 20, "groups": 5, "scope": "all"}, ["groups_of_two"]),
    ],
    ids=str,
)
def test_a_spec_has_these_cautions(fields: dict[str, Any], codes: list[str]) -> None:
    assert [caution.code for caution in cautions(TrainSpec(**fields))] == codes


def test_the_layer_of_the_largest_effective_step_is_named_with_its_size() -> None:
    spec = TrainSpec(norm="weight", init=True, weight_std=0.01, n_units=512)
    net, _ = build(spec)
    drawn = {name: (0.1 / layer.weight.square().sum(1)).mean().item() for name, layer in net.layers.items()}

    [caution] = cautions(spec)

    stated = float(caution.message.partition("is about ")[2].partition(";")[0])
    assert "of output is" in caution.message
    assert stated == pytest.approx(drawn["output"], rel=0.1)
