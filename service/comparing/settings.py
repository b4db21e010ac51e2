"""The settings of arms in words: what all share, and in what they differ besides their norms."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.comparing.words import counted, listed

Specs = Mapping[str, Mapping[str, Any]]
"""The spec of each arm by its name."""

OF_NORMS = {"norm", "init", "scope", "g_init", "groups"}
"""The fields that arms are compared in."""
MOST_VALUES = 6
NAMES = {"n_hidden": "hidden layers", "n_units": "units per layer", "dataset": "data set"}


def shared_in_words(shared: Mapping[str, Any]) -> str:
    """Write the most important settings that all arms share in one line."""
    return ", ".join(_shared(shared))


def own_in_words(spec: Mapping[str, Any], fields: Sequence[str]) -> str:
    """Write the settings of one arm in which arms differ: learning rate 8, batch size 64."""
    return ", ".join(f"{_name(field)} {_value(spec[field])}" for field in fields)


def differences_in_words(specs: Specs, fields: Sequence[str]) -> str:
    """Write which arm has which setting: the learning rate: weight+init 8, the others 0.1."""
    return "; ".join(f"the {_name(field)}{_by_value(specs, field)}" for field in fields)


def _shared(shared: Mapping[str, Any]) -> Iterator[str]:
    if "net" in shared:
        yield f"{shared['net']} net"
    if {"n_hidden", "n_units"} <= shared.keys():
        yield f"{counted(shared['n_hidden'], 'hidden layer')} of {counted(shared['n_units'], 'unit')}"
    for field in ("dataset", "optimizer", "learning_rate", "batch_size"):
        if shared.get(field) is not None:
            yield f"{_name(field)} {_value(shared[field])}"
    if "steps" in shared:
        yield counted(shared["steps"], "step")


def _by_value(specs: Specs, field: str) -> str:
    arms: dict[str, list[str]] = {}
    for arm, spec in specs.items():
        arms.setdefault(_value(spec[field]), []).append(arm)
    if len(arms) > MOST_VALUES:
        return ""
    usual, n_usual = Counter({value: len(names) for value, names in arms.items()}).most_common(1)[0]
    parts = [f"{listed(names)} {value}" for value, names in arms.items() if value != usual or n_usual == 1]
    return f": {', '.join([*parts, *([f'the others {usual}'] if n_usual > 1 else [])])}"


def _name(field: str) -> str:
    return NAMES.get(field, field.replace("_", " "))


def _value(value: Any) -> str:
    if value is None:
        return "not known yet"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
