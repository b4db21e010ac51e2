"""Specs as the database has them; another release may have stored them with other fields."""

from collections.abc import Mapping
from typing import Any

from models.specs.facts import NORMS
from models.specs.plan import LayerPlan
from models.specs.spec import TrainSpec


def plan_of(spec: Mapping[str, Any]) -> list[LayerPlan] | None:
    """List the layers of a stored spec; None if it has a field or a norm that this release does not know."""
    known = TrainSpec.model_fields.keys() >= spec.keys() and spec.get("norm", "none") in NORMS
    return TrainSpec.model_construct(**spec).plan() if known else None


def with_defaults(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored spec with defaults for the fields that it lacks."""
    return {**TrainSpec().model_dump(), **spec}


def method_of(spec: Mapping[str, Any]) -> str:
    """Name the norm of a stored spec, with "+init" if it has init."""
    return f"{spec['norm']}+init" if spec["init"] else str(spec["norm"])
