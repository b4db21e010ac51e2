"""Every error that pydantic can raise has a rule in our words."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import TypeAdapter, ValidationError
from pydantic_core._pydantic_core import list_all_errors

from service.api.predictions.schemas import PredictionRequest
from service.edge.rules import NOT_FROM_JSON, PATTERNS, RULES, rule_of
from service.settings import Settings
from tests.api.described import APP
from tests.pages import ROOT

PYDANTIC_S_PHRASES = re.compile(
    r"[A-Z]\w* (error|failed|should|must)|[Ii]nput|should|after validation|dictionary|instance|unable to"
)
ERRORS: dict[str, Any] = {each["type"]: each for each in list_all_errors()}
CONTEXTS = {kind: each["example_context"] or {} for kind, each in ERRORS.items()}
BY_NODE = {
    "any": set(),
    "bool": {"bool_type", "bool_parsing"},
    "default": {"default_factory_not_called"},
    "dict": {"dict_type", "too_long", "too_short"},
    "float": {"float_type", "float_parsing", "finite_number"},
    "function-after": set(),
    "function-before": set(),
    "function-wrap": set(),
    "int": {"int_type", "int_parsing", "int_parsing_size", "int_from_float"},
    "list": {"list_type", "too_long", "too_short"},
    "literal": {"literal_error"},
    "model": {"model_type", "model_attributes_type", "dict_type"},
    "model-field": {"missing"},
    "model-fields": {"extra_forbidden", "model_type", "model_attributes_type"},
    "no-info": set(),
    "union": set(),
    "nullable": {"none_required"},
    "str": {
        "string_type",
        "string_too_short",
        "string_too_long",
        "string_pattern_mismatch",
        "string_unicode",
    },
}
"""The errors that each kind of node of our schemas can cause; bounds are added to numbers."""
BOUNDS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "multiple_of"}


def request_types() -> list[Any]:
    """The types of every body and parameter of the API."""
    routes = [each.original_route for each in iter_route_contexts(APP.routes)]
    fields = [
        field
        for route in routes
        if isinstance(route, APIRoute)
        for field in [*get_flat_params(route.dependant), *route.dependant.body_params]
    ]
    return [PredictionRequest, *(field.field_info.annotation for field in fields)]


def kinds(node: Any) -> Iterator[str]:
    """The kinds of all nodes in a core schema."""
    if isinstance(node, dict):
        if isinstance(node.get("type"), str):
            yield node["type"]
        for name, part in node.items():
            yield from kinds(part) if name not in {"metadata", "serialization"} else ()
    elif isinstance(node, list | tuple):
        for part in node:
            yield from kinds(part)


NODES = {kind for each in request_types() for kind in kinds(TypeAdapter(each).core_schema)}
CAUSED = set().union(BOUNDS, *(BY_NODE.get(kind, set()) for kind in NODES)) - NOT_FROM_JSON


def raised(kind: str) -> dict[str, Any]:
    """An error as pydantic reports it, with its own message and the context that belongs to its type."""
    context = {name: "it" if value == "" else value for name, value in CONTEXTS[kind].items()}
    return {"type": kind, "loc": (), "msg": ERRORS[kind]["message_template_python"], "ctx": context}


def test_every_type_of_pydantic_has_a_rule_or_cannot_come_from_json() -> None:
    assert RULES.keys() | NOT_FROM_JSON == ERRORS.keys()
    assert RULES.keys() & NOT_FROM_JSON == set()


def test_the_nodes_of_our_schemas_are_known() -> None:
    assert BY_NODE.keys() | {"definitions", "definition-ref"} >= NODES


@pytest.mark.parametrize("kind", sorted(CAUSED))
def test_an_error_that_our_schemas_can_cause_has_a_sentence(kind: str) -> None:
    assert kind in RULES


@pytest.mark.parametrize("kind", ERRORS)
def test_no_phrase_of_pydantic_is_left(kind: str) -> None:
    rule = rule_of(raised(kind))

    assert PYDANTIC_S_PHRASES.search(rule) is None
    assert rule.startswith(("must ", "is ", "None"))


@pytest.mark.parametrize(
    ("kind", "context", "rule"),
    [
        ("less_than_equal", {"le": 1e6}, "must be less than or equal to 1000000"),
        ("greater_than_equal", {"ge": 1e-6}, "must be greater than or equal to 0.000001"),
        ("too_short", {"min_length": 1}, "must have at least 1 item"),
        ("string_too_long", {"max_length": 80}, "must have at most 80 characters"),
        ("value_error", {}, "is not valid"),
    ],
)
def test_numbers_are_written_plainly(kind: str, context: dict[str, Any], rule: str) -> None:
    assert rule_of({"type": kind, "msg": "Input should be another", "ctx": context}) == rule


def test_every_pattern_has_a_rule_in_words() -> None:
    sources = [path.read_text() for room in ("service", "models") for path in (ROOT / room).rglob("*.py")]
    found = {each for source in sources for each in re.findall(r'pattern=r"([^"]*)"', source)}

    assert found == PATTERNS.keys()


def test_a_pattern_is_not_shown_to_users() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(scheduler="127.0.0.1:8786")

    assert rule_of(refused.value.errors()[0]) == "must be an address such as tls://scheduler.internal:8786"
