"""Specs as the database has them; another release may have stored them with other fields."""

from collections.abc import Mapping
from typing import Any

from models.specs.facts import NORMS
from models.specs.nets import NETS
from models.specs.plan import LayerPlan
from models.specs.spec import TrainSpec
from service.comparing.runs import Runs
from service.store.tables import Comparison


def plan_of(spec: Mapping[str, Any]) -> list[LayerPlan] | None:
    """List the layers of a stored spec; None if this release does not know a field, its norm or its net."""
    known = TrainSpec.model_fields.keys() >= spec.keys() and _is_known(spec)
    return TrainSpec.model_construct(**spec).plan() if known else None


def _is_known(spec: Mapping[str, Any]) -> bool:
    return spec.get("norm", "none") in NORMS and spec.get("net", "dense") in NETS


def with_defaults(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored spec with defaults for the fields that it lacks."""
    known = {name: value for name, value in spec.items() if name in TrainSpec.model_fields}
    complete = TrainSpec.model_construct(**known) if _is_known(spec) else TrainSpec()
    return {**complete.model_dump(warnings=False), **spec}


def specs_of_arms(comparison: Comparison, runs: Runs) -> dict[str, dict[str, Any]]:
    """Return the spec of each arm by its first run; without a run, as it was asked for and without a rate."""
    asked = {
        arm["name"]: {name: value for name, value in arm.items() if name != "name"}
        for arm in comparison.spec["arms"]
    }
    return {
        arm: with_defaults(found[0].spec) if found else {**with_defaults(asked[arm]), "learning_rate": None}
        for arm, found in runs.items()
    }


def method_of(spec: Mapping[str, Any]) -> str:
    """Name the norm of a stored spec, with "+init" if it has init."""
    return f"{spec['norm']}+init" if spec["init"] else str(spec["norm"])
