"""The warnings about a valid spec."""

from typing import Any

import pytest
import torch

from models.specs.cautions import cautions
from models.specs.facts import NORMS
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
        ({"weight_decay": 0.1}, []),
        ({"net": "lstm", "norm": "group", "n_units": 16}, ["groups_of_two"]),
        ({"net": "conv", "norm": "group", "n_units": 16}, []),
        ({"net": "lstm", "norm": "layer", "sequence": "rows"}, ["blank_rows"]),
        ({"net": "lstm", "norm": "weight", "sequence": "rows"}, []),
        *(({"norm": norm, "weight_decay": 0.1}, ["decay_without_scale"]) for norm in NORMS if norm != "none"),
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


@pytest.mark.parametrize(
    ("fields", "layers"),
    [
        ({"norm": "weight"}, "hidden1, output"),
        ({"norm": "weight", "scope": "hidden", "n_hidden": 2}, "hidden1, hidden2"),
        ({"norm": "batch"}, "hidden1"),
        ({"net": "lstm", "norm": "batch"}, "lstm1.input, lstm1.state"),
    ],
    ids=str,
)
def test_the_layers_that_decay_does_not_limit_are_named(fields: dict[str, Any], layers: str) -> None:
    [caution] = cautions(TrainSpec(weight_decay=0.1, **fields))

    assert f"the weights of {layers} has no effect" in caution.message


@pytest.mark.parametrize("norm", NORMS)
def test_the_facts_say_whether_the_scale_of_weights_has_an_effect(norm: Any) -> None:
    net, _ = build(TrainSpec(norm=norm, n_units=64, scope="hidden"))
    hidden = net.layers["hidden1"]
    x = torch.rand(1, 32, 784, generator=torch.Generator().manual_seed(0))
    z, _ = hidden.forward(x, training=True)

    hidden.weight.mul_(2)
    scaled, _ = hidden.forward(x, training=True)

    assert torch.allclose(scaled, z, atol=1e-3) == NORMS[norm].scale_free
