"""The spec: the article's defaults, strict bounds, errors that name the place."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from models.net import build
from models.spec import NORMS, TrainSpec


def errors_of(body: dict[str, Any]) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as refused:
        TrainSpec.model_validate_json(json.dumps(body))
    return [(error["loc"], error["type"]) for error in refused.value.errors()]


def test_the_defaults_are_the_articles() -> None:
    assert TrainSpec().model_dump() == {
        "norm": "none",
        "init": False,
        "n_units": 128,
        "weight_std": 0.1,
        "learning_rate": 0.1,
        "batch_size": 128,
        "steps": 1000,
        "seed": 0,
        "eval_every": 100,
        "checkpoint_every": 500,
        "keep_checkpoints": 2,
        "dataset": "mnist",
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"steps": "7"}, [(("steps",), "int_type")]),
        ({"steps": 7.0}, [(("steps",), "int_type")]),
        ({"steps": True}, [(("steps",), "int_type")]),
        ({"steps": 0}, [(("steps",), "greater_than_equal")]),
        ({"steps": 1_000_001}, [(("steps",), "less_than_equal")]),
        ({"steps": 2**70}, [(("steps",), "less_than_equal")]),
        ({"seed": -1}, [(("seed",), "greater_than_equal")]),
        ({"seed": 2**53}, [(("seed",), "less_than_equal")]),
        ({"learning_rate": 0}, [(("learning_rate",), "greater_than")]),
        ({"learning_rate": -0.1}, [(("learning_rate",), "greater_than")]),
        ({"n_units": 4097}, [(("n_units",), "less_than_equal")]),
        ({"norm": "instance"}, [(("norm",), "literal_error")]),
        ({"dataset": "/etc/passwd"}, [(("dataset",), "literal_error")]),
        ({"init": 1}, [(("init",), "bool_type")]),
        ({"norm": "batch", "batch_size": 1}, [((), "too_few_rows")]),
        ({"init": True, "batch_size": 1}, [((), "too_few_rows")]),
        ({"setps": 7, "seed": -1}, [(("seed",), "greater_than_equal"), (("setps",), "extra_forbidden")]),
    ],
    ids=str,
)
def test_a_wrong_field_is_refused_by_name(body: dict[str, Any], expected: list[Any]) -> None:
    assert errors_of(body) == expected


def test_an_unknown_field_names_the_one_that_was_meant() -> None:
    with pytest.raises(ValidationError, match="did you mean learning_rate"):
        TrainSpec.model_validate_json('{"learningrate": 0.1}')


@pytest.mark.parametrize("norm", NORMS)
def test_the_parameter_count_is_that_of_the_net(norm: Any) -> None:
    spec = TrainSpec(norm=norm, n_units=7)

    net, _ = build(spec)

    trained = {name: tensor for name, tensor in net.tensors().items() if "running" not in name}
    assert spec.parameter_count() == sum(tensor.numel() for tensor in trained.values())
