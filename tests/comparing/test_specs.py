"""Specs that another release has stored are read as far as this one knows them."""

from typing import Any

import pytest

from models.specs.spec import TrainSpec
from service.comparing.specs import method_of, plan_of, with_defaults


@pytest.mark.parametrize("changes", [{}, {"norm": "weight"}, {"n_hidden": 3, "n_units": 16}], ids=str)
def test_the_plan_of_a_stored_spec_is_that_of_the_spec(changes: dict[str, Any]) -> None:
    spec = TrainSpec(**changes)

    assert plan_of(spec.model_dump()) == spec.plan()


def test_fields_that_a_stored_spec_lacks_have_their_defaults() -> None:
    assert plan_of({"norm": "weight", "n_units": 64}) == TrainSpec(norm="weight", n_units=64).plan()
    assert with_defaults({"norm": "batch"}) == {**TrainSpec().model_dump(), "norm": "batch"}
    assert with_defaults({"norm": "weight"}) == TrainSpec(norm="weight").model_dump()
    assert with_defaults({"norm": "instance", "color": "red"}) == {
        **TrainSpec().model_dump(),
        "norm": "instance",
        "color": "red",
    }


@pytest.mark.parametrize("changes", [{"color": "red"}, {"norm": "instance"}], ids=str)
def test_a_net_that_this_release_does_not_know_has_no_plan(changes: dict[str, Any]) -> None:
    assert plan_of(TrainSpec().model_dump() | changes) is None


@pytest.mark.parametrize(("init", "method"), [(False, "weight"), (True, "weight+init")])
def test_a_method_is_a_norm_with_or_without_init(init: bool, method: str) -> None:
    assert method_of({"norm": "weight", "init": init}) == method
