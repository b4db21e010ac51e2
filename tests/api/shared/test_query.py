"""The query parameters of every route are those that OpenAPI describes."""

import json
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from service.api.shared.query import query_parameters
from tests.api.described import APP, PATHS

ROUTES = [each.original_route for each in iter_route_contexts(APP.routes)]


def described(route: APIRoute) -> dict[str, bool]:
    operation: dict[str, Any] = PATHS[route.path][min(route.methods or ()).lower()]
    return {
        each["name"]: "array" in json.dumps(each["schema"])
        for each in operation.get("parameters", [])
        if each["in"] == "query"
    }


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if isinstance(route, APIRoute) and route.include_in_schema],
    ids=lambda route: route.unique_id,
)
def test_a_route_s_parameters_are_those_of_openapi(route: APIRoute) -> None:
    assert query_parameters(route) == described(route)
