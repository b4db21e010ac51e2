"""Schemas without type coercion, and their errors."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, LiteralString, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from models.specs.suggestions import advise, suggest

NOT_LISTS = {"n_units": "all hidden layers have this width, and n_hidden is their number"}
"""What to know about a number for which clients send a list."""

WITHOUT_DOCSTRINGS: Any = {"use_attribute_docstrings": False}
"""For create_model: pydantic would search the modules of all frames for docstrings that are not there."""


class StrictModel(BaseModel):
    """A schema without type coercion or unknown fields; its errors suggest the nearest known field.

    As in JSON Schema, a number without a fraction is an integer however it is written: 1e5 or 100000.0.
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, frozen=True, use_attribute_docstrings=True
    )

    elsewhere: ClassVar[Mapping[str, str]] = {}
    """Fields that another schema has, each with a sentence that says where it belongs."""
    example: ClassVar[str] = ""
    """An object as JSON, for the error of a value that is none."""

    def unwritten(self) -> Any:
        """Return what `model_dump` excludes from a text that must be the same in every release."""
        return None

    @model_validator(mode="wrap")
    @classmethod
    def _suggest_nearest_field(cls, data: Any, handler: Any) -> Self:
        given = {name: _whole(value) for name, value in data.items()} if isinstance(data, dict) else data
        try:
            return handler(given)  # type: ignore[no-any-return] # pydantic's handler is untyped
        except ValidationError as error:
            lines = [
                _with_suggestion(line, cls)
                for line in error.errors(include_url=False)
                # A default that depends on another field is missing only because that field is wrong.
                if line["type"] != "default_factory_not_called"
            ]
            raise ValidationError.from_exception_data(error.title, lines) from None


def _remove_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class PartialModel(StrictModel):
    """A schema of changes: a field that is not set has no default, but keeps the value that it has elsewhere.

    So the JSON schema shows no defaults, which generated clients would send.
    """

    model_config = ConfigDict(json_schema_extra=_remove_defaults)


def _whole(value: Any) -> Any:
    """Return a float without a fraction as an integer, also in a list; a field of floats takes either."""
    if isinstance(value, list):
        return [_whole(item) if type(item) is float else item for item in value]
    # Above 2**53, a float may stand for another integer than the one that was written.
    return int(value) if type(value) is float and value.is_integer() and abs(value) < 2**53 else value


def rule_error(code: LiteralString, rule: LiteralString, *fields: str) -> PydanticCustomError:
    """Return the error of a validator whose rule involves these fields."""
    # The message is a template to pydantic, in which braces would be fields.
    return PydanticCustomError(code, rule, {"fields": list(fields)})


def check_name(known: Sequence[str], name: str) -> str:
    """Return the name if it is known; raise an error that suggests the nearest."""
    if name in known:
        return name
    meant = suggest(name, known)
    rule = f"did you mean {meant}?" if meant else f"must be one of: {', '.join(known)}"
    # Pydantic would read braces in a message as fields.
    raise PydanticCustomError("unknown_name", "{rule}", {"rule": rule})


def _with_suggestion(line: Any, schema: type[StrictModel]) -> InitErrorDetails:
    context = {key: value for key, value in line.get("ctx", {}).items() if key != "error"}
    return error_line(line["loc"], line["type"], _message(line, schema), context)


def _message(line: Any, schema: type[StrictModel]) -> str:
    """Return the message of an error, with what to do about it if the error is one of this schema's own."""
    kind, place = line["type"], line["loc"]
    if not place and schema.example and kind in {"model_type", "model_attributes_type"}:
        return f"must be an object such as {schema.example}"
    if len(place) != 1:
        return str(line["msg"])
    is_list = isinstance(line["input"], list)
    if kind == "int_type" and is_list and place[0] in NOT_LISTS:
        return f"must be an integer ({NOT_LISTS[place[0]]})"
    if kind != "extra_forbidden":
        return str(line["msg"])
    known = [field.alias or name for name, field in schema.model_fields.items()]
    advice = advise(str(place[0]), known, schema.elsewhere)
    note = NOT_LISTS.get(suggest(str(place[0]), known) or "") if is_list else None
    return "is not a known field" + (f"; {advice}" if advice else "") + (f" ({note})" if note else "")


def error_line(
    loc: tuple[str | int, ...], code: str, rule: str, context: dict[str, Any] | None = None
) -> InitErrorDetails:
    """Return one line of a ValidationError: the location of the wrong value, and the rule it breaks."""
    # Pydantic replaces only braces around a name of the context; it keeps others, and unescapes none.
    template: Any = rule
    return InitErrorDetails(type=PydanticCustomError(code, template, context), loc=loc, input=None)
