"""In the description of the API, everything has a plain name and a description."""

import re

import pytest

from tests.api.described import OPERATIONS, SCHEMA
from tests.api.test_openapi import members


def test_a_schema_has_a_plain_name() -> None:
    """Of two schemas with one name, FastAPI would put the modules before both."""
    names = SCHEMA["components"]["schemas"]

    assert [name for name in names if not re.fullmatch(r"[A-Z][A-Za-z]+(?<!Out)", name)] == []


def test_what_a_response_says_twice_has_one_name() -> None:
    schemas = SCHEMA["components"]["schemas"]
    named = {(name, field) for name, schema in schemas.items() for field in schema.get("properties", {})}

    assert {field for _, field in named} & {"std", "stddev", "lo", "hi", "group", "thinned"} == set()
    specs = {name for name, field in named if field == "optimizer"}
    assert {name for name, field in named if field == "sampling"} == specs


def test_an_operation_has_the_name_of_its_function_as_its_id() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]

    assert [name for name in ids if not re.fullmatch(r"[a-z]+(_[a-z]+)+", name)] == []
    assert len({*ids}) == len(ids)


def test_every_parameter_is_described() -> None:
    parameters = [
        (operation["operationId"], parameter)
        for operation in OPERATIONS.values()
        for parameter in operation.get("parameters", [])
    ]

    assert [(where, each["name"]) for where, each in parameters if not each.get("description")] == []
    assert [(where, each["name"]) for where, each in parameters if "anyOf" in each["schema"]] == []


def test_every_property_is_described() -> None:
    schemas = [value for name, value in members(SCHEMA) if name == "properties"]
    fields = [(field, schema) for properties in schemas for field, schema in properties.items()]

    assert [field for field, schema in fields if not schema.get("description")] == []
    assert len(fields) > 300


@pytest.mark.parametrize("name", ["Arm", "Overrides", "JobChanges"])
def test_a_field_that_keeps_its_value_when_it_is_not_set_has_no_default(name: str) -> None:
    """A generated client would send it."""
    fields = SCHEMA["components"]["schemas"][name]["properties"]

    assert [field for field, schema in fields.items() if "default" in schema] == []
