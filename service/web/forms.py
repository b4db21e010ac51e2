"""Forms made from JSON schemas: a new field of a spec appears by itself, with its bounds and its docs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from service.errors import FieldError

Kind = Literal["choice", "boolean", "integer", "number", "numbers", "pairs", "text"]
SEPARATOR = ":"


@dataclass(frozen=True)
class Field:
    """One field of a schema as a form shows it."""

    name: str
    kind: Kind
    docs: str
    default: Any
    """None if the field may be left empty: the spec then has no value, or chooses one."""
    bounds: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    placeholder: str = ""
    """What an empty control means."""

    @property
    def label(self) -> str:
        """Return its name in words."""
        return self.name.replace("_", " ").capitalize()

    def written(self, value: Any) -> str:
        """Write a value as the control of the field has it."""
        if self.kind == "pairs":
            return "\n".join(f"{name}{SEPARATOR}{text}" for name, text in (value or {}).items())
        if self.kind == "numbers":
            return ", ".join(map(str, value or []))
        if isinstance(value, float):
            return repr(value)
        return "" if value is None else str(value)

    def read(self, text: str) -> Any:
        """Return what the text of the control means; what is no number stays text, which the spec refuses."""
        if self.kind == "boolean":
            return bool(text)
        if self.kind == "pairs":
            pairs = (line.partition(SEPARATOR) for line in text.splitlines() if line.strip())
            return {name.strip(): value.strip() for name, _, value in pairs}
        if self.kind == "numbers":
            return [_number(each) for each in text.replace(",", " ").split()]
        is_number = self.kind == "choice" and text in self.choices and text.isdigit()
        if is_number or self.kind in {"integer", "number"}:
            return _number(text)
        return text


@dataclass(frozen=True)
class FieldGroup:
    """Fields under one heading; those that are rarely changed are folded."""

    title: str
    fields: Sequence[Field]
    folded: bool = True
    name: str | None = None
    """Where an error is that belongs to all of its fields together."""


def fields_of(schema: type[BaseModel]) -> dict[str, Field]:
    """Return the fields of a schema's bodies by name."""
    document = schema.model_json_schema()
    return {name: _field(name, facts) for name, facts in document["properties"].items()}


def grouped(fields: Mapping[str, Field], titles: Mapping[str, Sequence[str]], rest: str) -> list[FieldGroup]:
    """Put fields under these titles, the first one open; those without a title are under `rest`."""
    named = {name for names in titles.values() for name in names}
    groups = [*titles.items(), (rest, [name for name in fields if name not in named])]
    found = [(title, [fields[name] for name in names if name in fields]) for title, names in groups]
    return [FieldGroup(title, each, folded=place > 0) for place, (title, each) in enumerate(found) if each]


def read_form(fields: Iterable[Field], form: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON body that a posted form means: an empty control leaves its field out."""
    given = [(field, str(form.get(field.name, "")).strip()) for field in fields]
    return {field.name: field.read(text) for field, text in given if text or field.kind == "boolean"}


def errors_by_field(
    errors: Iterable[FieldError], names: Iterable[str]
) -> tuple[dict[str, list[str]], list[str]]:
    """Return the messages of each field, and those that belong to none of these names."""
    of_fields: dict[str, list[str]] = {name: [] for name in names}
    others = []
    for error in errors:
        name = error.pointer.split("/")[1] if error.pointer else ""
        if name in of_fields:
            of_fields[name].append(error.message.removeprefix(f"{name} "))
        else:
            others.append(f"{error.pointer.strip('/')} {error.message}".strip())
    return of_fields, others


def _field(name: str, facts: Mapping[str, Any]) -> Field:
    proper = next((each for each in facts.get("anyOf", []) if each.get("type") != "null"), facts)
    default = facts.get("default")
    return Field(
        name=name,
        kind=_kind(proper),
        docs=" ".join(facts.get("description", "").split()),
        default=default,
        bounds=_bounds(proper),
        choices=tuple(map(str, proper.get("enum", ()))),
        minimum=proper.get("minimum", proper.get("exclusiveMinimum")),
        maximum=proper.get("maximum", proper.get("exclusiveMaximum")),
        max_length=proper.get("maxLength"),
        placeholder="" if default is not None else "none" if "default" in facts else "chosen by the spec",
    )


def _kind(facts: Mapping[str, Any]) -> Kind:
    if "enum" in facts:
        return "choice"
    kinds: dict[str, Kind] = {
        "boolean": "boolean",
        "integer": "integer",
        "number": "number",
        "object": "pairs",
    }
    if facts.get("items", {}).get("type") == "number":
        return "numbers"
    return kinds.get(facts.get("type", ""), "text")


def _bounds(facts: Mapping[str, Any]) -> str:
    """Write the bounds of a number: 1 to 8, more than 0, less than 1."""
    low, high = facts.get("minimum"), facts.get("maximum")
    above, below = facts.get("exclusiveMinimum"), facts.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"{plain(low)} to {plain(high)}"
    named = {"more than": above, "at least": low, "less than": below, "at most": high}
    return ", ".join(f"{words} {plain(bound)}" for words, bound in named.items() if bound is not None)


def plain(number: float) -> str:
    """Write a number without an exponent where that is short: 0.0001, 1,000,000."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,.12g}"


def _number(text: str) -> Any:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
