"""A form as it is shown: what its controls have, what is wrong with them, and what it would cost."""

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from service.api.jobs.schemas import JobEstimate
from service.edge.problems import field_errors, sentence
from service.errors import FieldError, NormserveError, ValidationFailed
from service.web.forms import Field, FieldGroup, errors_by_field

NONCE = "once"
Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class Draft:
    """The form as it is shown."""

    groups: Sequence[FieldGroup]
    values: Mapping[str, str]
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    """What is wrong and belongs to no field."""
    estimate: JobEstimate | None = None
    runs: int = 1
    plan: Mapping[str, Any] | None = None
    """What a comparison would train."""
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    """With it, the same form sent twice creates one job."""

    def is_open(self, group: FieldGroup) -> bool:
        """Return whether a folded group is to be seen: where a value is not the default, or wrong."""
        return any(self._is_changed(each) or self.errors.get(each.name) for each in group.fields)

    def _is_changed(self, each: Field) -> bool:
        return self.values.get(each.name, "") != each.written(each.default)

    @property
    def first_wrong(self) -> str | None:
        """Return the name of the first field with an error."""
        return next((name for name, found in self.errors.items() if found), None)


def filled(groups: Sequence[FieldGroup], given: Mapping[str, Any], **found: Any) -> Draft:
    """Return a form filled with values, and with defaults for what they lack."""
    fields = fields_in(groups)
    values = {name: each.written(given.get(name, each.default)) for name, each in fields.items()}
    return Draft(groups, values, **found)


def refilled(
    groups: Sequence[FieldGroup], form: Mapping[str, str], errors: NormserveError | None = None, **found: Any
) -> Draft:
    """Return a form as it was sent, with what is wrong."""
    fields = fields_in(groups)
    values = {
        name: str(bool(form.get(name))) if each.kind == "boolean" else form.get(name, "")
        for name, each in fields.items()
    }
    names = [*(group.name for group in groups if group.name), *fields]
    of_fields, others = errors_by_field(errors.errors if errors else [], names)
    if errors is not None and not errors.errors:
        others.append(sentence(errors.detail))
    return Draft(groups, values, of_fields, others, **found)


def fields_in(groups: Sequence[FieldGroup]) -> dict[str, Field]:
    """Return the fields of a form by name."""
    return {each.name: each for group in groups for each in group.fields}


def validated(schema: type[Body], body: Mapping[str, Any], of_form: Callable[[str], str] = str) -> Body:
    """Return the body that a form means; raise ValidationFailed, with pointers that `of_form` has changed."""
    try:
        return schema.model_validate(body)
    except ValidationError as error:
        found = field_errors(error.errors(include_url=False))
        places = [replace(each, pointer=of_form(each.pointer)) for each in found]
        raise ValidationFailed("some values break a rule", [*dict.fromkeys(places)]) from None


def wrong(name: str, rule: str) -> ValidationFailed:
    """Return the error of one field."""
    return ValidationFailed("some values break a rule", [FieldError(f"/{name}", "value_error", rule)])


def key_of(form: Mapping[str, str], body: Mapping[str, Any]) -> str:
    """Return an Idempotency-Key: another for another body, so that a form may be changed and sent again."""
    digest = hashlib.sha256(repr(sorted(body.items())).encode(errors="replace")).hexdigest()
    nonce = re.sub("[^0-9a-f]", "", form.get(NONCE, ""))[:32]
    return f"page-{nonce}-{digest}"
