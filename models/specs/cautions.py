"""Warnings about specs that are valid but probably not intended."""

from typing import NamedTuple

from models.specs.facts import NORMS
from models.specs.spec import TrainSpec

CUT_VARIANCE = 0.7737
"""Variance of a standard normal distribution truncated at two standard deviations."""
LARGEST_EFFECTIVE_STEP = 1.0


class Caution(NamedTuple):
    """A warning: a code for programs, and a sentence for people."""

    code: str
    message: str


def cautions(spec: TrainSpec) -> list[Caution]:
    """Return the warnings that apply to this spec."""
    return [
        *_small_groups(spec),
        *_blank_rows(spec),
        *_large_effective_steps(spec),
        *_decay_without_scale(spec),
    ]


def _small_groups(spec: TrainSpec) -> list[Caution]:
    grouped = [layer for layer in spec.plan() if NORMS[layer.norm].in_groups]
    if not any(layer.values_per_group == 2 for layer in grouped):
        return []
    message = (
        "in a group of 2 units, the normalised values are always about ±1; use fewer groups or more units"
    )
    return [Caution("groups_of_two", message)]


def _blank_rows(spec: TrainSpec) -> list[Caution]:
    """Warn of norms with an ε on time steps that are 0 in nearly all images."""
    if spec.net != "lstm" or spec.sequence != "rows" or NORMS[spec.norm].epsilon is None:
        return []
    message = (
        f"the first rows of nearly all images are blank, so norm {spec.norm} has only its ε to divide by "
        "there, which multiplies gradients by a large factor at each of these time steps; sequence permuted "
        "does not have them"
    )
    return [Caution("blank_rows", message)]


def _large_effective_steps(spec: TrainSpec) -> list[Caution]:
    """Warn if one step may turn v far: the effective step is learning_rate / ‖v‖² unless g is about ‖v‖."""
    if spec.optimizer == "adam" or not (spec.init or spec.g_init == "one"):
        return []
    steps = {
        layer.name: spec.learning_rate / (layer.fan_in * CUT_VARIANCE * spec.weight_std**2)
        for layer in spec.plan()
        if NORMS[layer.norm].of_weights and layer.fan_in
    }
    if not steps:
        return []
    layer, step = max(steps.items(), key=lambda each: each[1])
    if step <= LARGEST_EFFECTIVE_STEP:
        return []
    message = f"learning_rate / ‖v‖² of {layer} is about {step:.3g}; above 1, training may be unstable; "
    return [Caution("large_effective_step", f"{message}raise weight_std or lower learning_rate")]


def _decay_without_scale(spec: TrainSpec) -> list[Caution]:
    """Warn of decay on weights whose length has no effect (van Laarhoven 2017, arXiv 1706.05350)."""
    layers = [layer.name for layer in spec.plan() if NORMS[layer.norm].scale_free and layer.fan_in]
    if not layers or not spec.weight_decay:
        return []
    message = (
        f"with norm {spec.norm}, the length of the weights of {', '.join(layers)} has no effect, so "
        "weight_decay does not limit these layers: it only shortens their weights, which raises their "
        "effective step; lower weight_decay if training becomes unstable"
    )
    return [Caution("decay_without_scale", message)]
