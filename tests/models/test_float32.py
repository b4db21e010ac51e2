"""Numbers of a spec in float32, in which training computes."""

from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import Field, TypeAdapter, ValidationError

from models.specs.comparison import ComparisonSpec
from models.specs.float32 import Float32
from models.specs.spec import TrainSpec

SMALLEST = float(np.finfo(np.float32).tiny)
LARGEST = float(np.finfo(np.float32).max)
NEEDED: dict[str, dict[str, Any]] = {"momentum": {"optimizer": "momentum"}}
"""Fields without which others have no effect."""
NOT_IN_FLOAT32 = {"max_seconds"}
FLOATS = [
    name
    for name, field in TrainSpec.model_fields.items()
    if "float" in str(field.annotation) and name not in NOT_IN_FLOAT32
]


def code_of(field: str, value: float) -> str:
    with pytest.raises(ValidationError) as caught:
        TrainSpec(**{field: value, **NEEDED.get(field, {})})
    [line] = caught.value.errors()
    assert line["loc"] == (field,)
    return line["type"]


def test_the_floats_of_a_spec_are_known() -> None:
    assert FLOATS == ["weight_std", "learning_rate", "momentum", "weight_decay"]


@pytest.mark.parametrize("field", FLOATS)
@pytest.mark.parametrize("value", [1e-300, 1e-46, 1e-40, SMALLEST * (1 - 1e-9)])
def test_a_number_that_is_0_in_float32_is_refused(field: str, value: float) -> None:
    # weight_std has a higher bound of its own.
    expected = "greater_than_equal" if field == "weight_std" else "vanishes_in_float32"
    assert code_of(field, value) == expected


@pytest.mark.parametrize("field", ["learning_rate", "momentum", "weight_decay"])
def test_the_smallest_number_of_float32_is_accepted(field: str) -> None:
    spec = TrainSpec(**{field: SMALLEST, **NEEDED.get(field, {})})

    assert getattr(spec, field) == SMALLEST


def test_a_momentum_that_is_1_in_float32_is_refused() -> None:
    assert TrainSpec(optimizer="momentum", momentum=float(np.nextafter(np.float32(1), np.float32(0))))
    assert code_of("momentum", 1 - 1e-9) == "rounds_up_in_float32"


UNBOUNDED: TypeAdapter[float] = TypeAdapter(Annotated[float, Field(), Float32()])


@pytest.mark.parametrize("value", [0.0, -0.1, LARGEST, -LARGEST])
def test_any_other_number_stays_as_it_is(value: float) -> None:
    assert UNBOUNDED.validate_python(value) == value


@pytest.mark.parametrize("value", [1e39, -1e39])
def test_a_number_that_is_infinite_in_float32_is_refused(value: float) -> None:
    with pytest.raises(ValidationError, match="must not exceed"):
        UNBOUNDED.validate_python(value)


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"learning_rates": [0.1, 1e-46]}, ("learning_rates", 1)),
        ({"base": {"learning_rate": 1e-46}}, ("base", "learning_rate")),
        ({"arms": [{"name": "none", "weight_decay": 1e-46}]}, ("arms", 0, "weight_decay")),
    ],
    ids=str,
)
def test_the_numbers_of_a_comparison_are_checked_too(body: dict[str, Any], loc: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        ComparisonSpec(**{"preset": "article", **body})

    assert [(line["loc"], line["type"]) for line in caught.value.errors()] == [(loc, "vanishes_in_float32")]
