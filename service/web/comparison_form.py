"""The form of a new comparison: arms that a visitor chooses, and the settings that they share."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import Response
from sqlalchemy.orm import Session

from models.specs.comparison import MOST_RUNS, PRESETS
from models.specs.spec import TrainSpec
from service.api.comparisons.routes import create_comparison
from service.api.comparisons.schemas import ComparisonSubmission
from service.api.shared.dependencies import Parts
from service.web import submissions
from service.web.drafts import Draft, filled, key_of, refilled, validated
from service.web.forms import Field, FieldGroup, fields_of, grouped, read_form

ARMS = {f"arm-{arm['name']}": arm for arm in PRESETS["all_norms"]}
"""Every norm without and with init, by the name of its check box."""
AT_FIRST = {arm["name"] for arm in PRESETS["article"]}
ARM_FIELDS = [
    Field(name, "boolean", "", default=arm["name"] in AT_FIRST, bounds="") for name, arm in ARMS.items()
]
SHARED = {
    name: field
    for name, field in submissions.FIELDS.items()
    if name in TrainSpec.model_fields and name not in {"norm", "init", "seed", "learning_rate"}
}
"""The fields of the spec that all arms share."""
SEEDS = Field(
    name="seeds",
    kind="integer",
    docs="Runs of each arm, with seeds 0, 1, 2 and so on. If empty, the fewest that can show a difference: "
    "6 for two arms, 8 for five.",
    default=None,
    bounds=f"1 to {MOST_RUNS:,}",
    minimum=1,
    maximum=MOST_RUNS,
    placeholder="the fewest that suffice",
)
_OWN = fields_of(ComparisonSubmission)
RATES = replace(
    _OWN["learning_rates"],
    default=[TrainSpec.model_fields["learning_rate"].default],
    docs="One for all arms, or several, such as 0.03, 0.1, 0.3: then every arm is trained with each of them.",
)
FIELDS = {
    **{name: field for name, field in _OWN.items() if name not in {"preset", "arms", "base"}},
    **{field.name: field for field in (SEEDS, RATES)},
    **SHARED,
}
GROUPS = {
    "Settings": (SEEDS.name, RATES.name, "steps", "label"),
    **{title: names for title, names in submissions.GROUPS.items() if title != "Method"},
}
FORM = [FieldGroup("Arms", ARM_FIELDS, folded=False, name="arms"), *grouped(FIELDS, GROUPS, "More")]


def draft() -> Draft:
    """Return the form with the article's arms."""
    return filled(FORM, {})


def body_of(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the body of POST /comparisons that a form means, without what is as by default."""
    given = read_form(FIELDS.values(), form)
    changed = {name: value for name, value in given.items() if _is_changed(FIELDS[name], value)}
    base = {name: changed.pop(name) for name in SHARED if name in changed}
    if len(changed.get(RATES.name, ())) == 1:
        [base["learning_rate"]] = changed.pop(RATES.name)
    return {"arms": [arm for name, arm in ARMS.items() if form.get(name)], "base": base, **changed}


def estimate(session: Session, form: Mapping[str, str]) -> Draft:
    """Return the form with what the comparison would train; raise ValidationFailed."""
    return refilled(FORM, form, plan=submissions.plan_of(session, _read(form)))


def submit(parts: Parts, form: Mapping[str, str]) -> Response:
    """Submit the comparison as the API would; raise ValidationFailed, QueueFull and what else it refuses."""
    return create_comparison(parts.database, parts.limits, _read(form), key_of(form, body_of(form)))


def _read(form: Mapping[str, str]) -> ComparisonSubmission:
    return validated(ComparisonSubmission, body_of(form), _of_form)


def _is_changed(field: Field, value: Any) -> bool:
    return field.written(value) != field.written(field.default)


def _of_form(pointer: str) -> str:
    """Return where the form has what an error of the body points at."""
    pointer = re.sub(r"/learning_rate$", f"/{RATES.name}", pointer)
    return re.sub(r"^/(base|arms/\d+)/(?!norm|init)", "/", pointer)
