"""The spec: the article's defaults, strict bounds, located errors."""

import json
from typing import Any

import pytest
from pydantic import Field, ValidationError

from models.specs.facts import NORMS
from models.specs.nets import NET_FIELDS, NETS
from models.specs.spec import TrainSpec
from models.specs.strict import StrictModel
from models.training.start import build


def errors_of(body: dict[str, Any]) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as refused:
        TrainSpec.model_validate_json(json.dumps(body))
    return [(error["loc"], error["type"]) for error in refused.value.errors()]


def test_the_defaults_are_the_articles() -> None:
    assert TrainSpec().model_dump() == {
        "net": "dense",
        "norm": "none",
        "init": False,
        "scope": "hidden",
        "g_init": "norm",
        "groups": 8,
        "n_hidden": 1,
        "n_units": 128,
        "kernel_size": 5,
        "stride": 2,
        "sequence": "permuted",
        "activation": "relu",
        "weight_std": 0.1,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "batch_size": 128,
        "sampling": "replace",
        "steps": 1000,
        "seed": 0,
        "eval_every": 100,
        "checkpoint_every": 500,
        "keep_checkpoints": 2,
        "telemetry": False,
        "max_seconds": None,
        "dataset": "mnist",
    }


@pytest.mark.parametrize("dataset", ["mnist", "fashion_mnist", "kmnist"])
def test_a_spec_names_its_data_set(dataset: str) -> None:
    assert TrainSpec.model_validate({"dataset": dataset}).dataset == dataset


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"steps": "7"}, [(("steps",), "int_type")]),
        ({"steps": 7.5}, [(("steps",), "int_type")]),
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
        ({"norm": "weight_mean_only_batch", "batch_size": 1}, [((), "too_few_rows")]),
        ({"norm": "layer", "n_units": 1}, [((), "too_few_units")]),
        ({"norm": "group", "groups": 7}, [((), "uneven_groups")]),
        ({"norm": "group", "scope": "all"}, [((), "uneven_groups")]),
        ({"norm": "group", "groups": 128}, [((), "too_small_groups")]),
        ({"norm": "batch", "groups": 4}, [((), "not_applicable")]),
        ({"norm": "batch", "g_init": "one"}, [((), "not_applicable")]),
        ({"scope": "all"}, [((), "not_applicable")]),
        ({"momentum": 0.5}, [((), "not_applicable")]),
        ({"optimizer": "adam", "momentum": 0.5}, [((), "not_applicable")]),
        ({"net": "conv", "n_hidden": 5}, [((), "too_large_for_net")]),
        ({"net": "conv", "n_units": 257}, [((), "too_large_for_net")]),
        ({"net": "conv", "kernel_size": 4}, [(("kernel_size",), "literal_error")]),
        ({"net": "conv", "norm": "group", "groups": 3}, [((), "uneven_groups")]),
        ({"stride": 1}, [((), "not_applicable")]),
        ({"net": "lstm", "n_hidden": 2}, [((), "too_large_for_net")]),
        ({"net": "lstm", "n_units": 513}, [((), "too_large_for_net")]),
        ({"net": "lstm", "activation": "tanh"}, [((), "not_applicable")]),
        ({"net": "lstm", "norm": "group", "groups": 5}, [((), "uneven_groups")]),
        ({"net": "lstm", "norm": "group", "groups": 64}, [((), "too_small_groups")]),
        ({"net": "lstm", "norm": "layer", "n_units": 1}, [((), "too_few_units")]),
        ({"sequence": "rows"}, [((), "not_applicable")]),
        ({"net": "rnn"}, [(("net",), "literal_error")]),
        ({"n_hidden": 9}, [(("n_hidden",), "less_than_equal")]),
        ({"activation": "gelu"}, [(("activation",), "literal_error")]),
        ({"optimizer": "../adam"}, [(("optimizer",), "literal_error")]),
        ({"n_units": 4096, "n_hidden": 8, "optimizer": "adam"}, [((), "budget_exceeded")]),
        ({"weight_std": 1e-7}, [(("weight_std",), "greater_than_equal")]),
        ({"max_seconds": 0}, [(("max_seconds",), "greater_than")]),
        ({"setps": 7, "seed": -1}, [(("seed",), "greater_than_equal"), (("setps",), "extra_forbidden")]),
    ],
    ids=str,
)
def test_a_wrong_field_is_refused_by_name(body: dict[str, Any], expected: list[Any]) -> None:
    assert errors_of(body) == expected


class Renamed(StrictModel):
    returned: int = Field(0, alias="return")


def test_a_field_with_an_alias_is_suggested_by_its_alias() -> None:
    with pytest.raises(ValidationError, match=r"did you mean return\?"):
        Renamed.model_validate_json('{"retrun": 1}')


def test_an_unknown_field_suggests_the_nearest_one() -> None:
    with pytest.raises(ValidationError, match="did you mean learning_rate"):
        TrainSpec.model_validate_json('{"learningrate": 0.1}')


@pytest.mark.parametrize(
    "body",
    [
        {"norm": "batch", "groups": 8, "momentum": 0.9, "g_init": "norm", "scope": "hidden"},
        {"norm": "weight", "scope": "hidden", "g_init": "random"},
        {"norm": "group", "groups": 5, "n_units": 20, "scope": "all"},
        {"optimizer": "momentum", "momentum": 0.0},
    ],
    ids=str,
)
def test_a_field_that_applies_or_has_its_default_is_accepted(body: dict[str, Any]) -> None:
    assert body.items() <= TrainSpec.model_validate_json(json.dumps(body)).model_dump().items()


@pytest.mark.parametrize(
    ("norm", "scope"),
    [("none", "hidden"), ("weight", "all"), ("weight_mean_only_batch", "all"), ("batch", "hidden")],
)
def test_the_scope_follows_the_norm(norm: Any, scope: str) -> None:
    assert TrainSpec(norm=norm).scope == scope


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("norm", NORMS)
def test_the_counts_equal_those_of_the_net(norm: Any, net: Any) -> None:
    spec = TrainSpec(net=net, norm=norm, n_units=16)

    tensors = build(spec)[0].tensors()

    trained = {name: tensor for name, tensor in tensors.items() if "running" not in name}
    assert spec.parameter_count() == sum(tensor.numel() for tensor in trained.values())
    assert spec.checkpoint_bytes() == sum(tensor.nbytes for tensor in tensors.values())


def test_a_dense_spec_is_written_as_before_there_were_other_nets() -> None:
    text = json.dumps(
        {name: value for name, value in TrainSpec().model_dump().items() if name not in NET_FIELDS},
        sort_keys=True,
        separators=(",", ":"),
    )

    assert TrainSpec().canonical_json() == text
    assert json.loads(TrainSpec(net="conv").canonical_json()) == TrainSpec(net="conv").model_dump()


@pytest.mark.parametrize(("net", "size"), [("dense", (1, 128)), ("conv", (2, 16)), ("lstm", (1, 64))])
def test_the_size_follows_the_net(net: Any, size: tuple[int, int]) -> None:
    spec = TrainSpec(net=net)

    assert (spec.n_hidden, spec.n_units) == size
