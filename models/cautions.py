"""What a reader of the results should be warned of, told by the spec alone."""

from typing import NamedTuple

from models.facts import WEIGHT_NORMS
from models.spec import TrainSpec

CUT_VARIANCE = 0.7737
"""Variance of a standard normal that is cut at two deviations."""
LARGEST_EFFECTIVE_STEP = 1.0


class Caution(NamedTuple):
    """A warning: a code to filter by, and a sentence."""

    code: str
    message: str


def cautions(spec: TrainSpec) -> list[Caution]:
    """List what is allowed and probably not meant."""
    return [*_small_groups(spec), *_large_effective_steps(spec)]


def _small_groups(spec: TrainSpec) -> list[Caution]:
    layers = zip(spec.layer_shapes(), spec.norms(), strict=True)
    if not any(norm == "group" and n_units == 2 * spec.groups for (_, n_units), norm in layers):
        return []
    message = "groups of 2 units answer little but ±1 to every row; use fewer groups or more units"
    return [Caution("groups_of_two", message)]


def _large_effective_steps(spec: TrainSpec) -> list[Caution]:
    """Warn where a step turns v far: the rate is relative to ‖v‖², and init lets g leave ‖v‖ behind."""
    if spec.norm not in WEIGHT_NORMS or spec.optimizer == "adam" or not (spec.init or spec.g_init == "one"):
        return []
    steps = {
        name: spec.learning_rate / (n_in * CUT_VARIANCE * spec.weight_std**2)
        for name, (n_in, _), norm in zip(spec.layer_names(), spec.layer_shapes(), spec.norms(), strict=True)
        if norm in WEIGHT_NORMS
    }
    layer, step = max(steps.items(), key=lambda each: each[1])
    if step <= LARGEST_EFFECTIVE_STEP:
        return []
    message = f"learning_rate / ‖v‖² of {layer} is about {step:.3g}, and above 1 training may be unstable; "
    return [Caution("large_effective_step", f"{message}raise weight_std or lower learning_rate")]
