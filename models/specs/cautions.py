"""Warnings about a spec that is allowed and probably not meant."""

from typing import NamedTuple

from models.specs.facts import NORMS
from models.specs.spec import TrainSpec

CUT_VARIANCE = 0.7737
"""Variance of a standard normal distribution truncated at two standard deviations."""
LARGEST_EFFECTIVE_STEP = 1.0


class Caution(NamedTuple):
    """A warning: a code to filter by, and a sentence."""

    code: str
    message: str


def cautions(spec: TrainSpec) -> list[Caution]:
    """List the warnings that apply to this spec."""
    return [*_small_groups(spec), *_large_effective_steps(spec)]


def _small_groups(spec: TrainSpec) -> list[Caution]:
    grouped = [layer for layer in spec.plan() if NORMS[layer.norm].in_groups]
    if not any(layer.n_units == 2 * spec.groups for layer in grouped):
        return []
    message = "groups of 2 units output little but ±1 for every row; use fewer groups or more units"
    return [Caution("groups_of_two", message)]


def _large_effective_steps(spec: TrainSpec) -> list[Caution]:
    """Warn where one step turns v far: it scales with 1/‖v‖², and init separates g from ‖v‖."""
    if spec.optimizer == "adam" or not (spec.init or spec.g_init == "one"):
        return []
    steps = {
        layer.name: spec.learning_rate / (layer.fan_in * CUT_VARIANCE * spec.weight_std**2)
        for layer in spec.plan()
        if NORMS[layer.norm].of_weights
    }
    if not steps:
        return []
    layer, step = max(steps.items(), key=lambda each: each[1])
    if step <= LARGEST_EFFECTIVE_STEP:
        return []
    message = f"learning_rate / ‖v‖² of {layer} is about {step:.3g}, and above 1 training may be unstable; "
    return [Caution("large_effective_step", f"{message}raise weight_std or lower learning_rate")]
