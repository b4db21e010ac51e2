"""What OpenAPI shows beyond what FastAPI derives from the routes."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel

from service.api.shared.problems import Problem

REFERENCES = "#/components/schemas/{model}"
FILE_NAME = {"description": "The name to save the file under.", "schema": {"type": "string"}}
IN_JSON = {"application/json", "application/problem+json"}


def json_response(status: int, example: Any) -> dict[int | str, dict[str, Any]]:
    """Document a JSON response with its example."""
    return {status: {"content": {"application/json": {"example": example}}}}


def table_response(example: Any) -> dict[int | str, dict[str, Any]]:
    """Document a response that is JSON, with its example, or CSV."""
    csv_schema = {"schema": {"type": "string"}}
    return {200: {"content": {"application/json": {"example": example}, "text/csv": csv_schema}}}


def external_example(url: str) -> dict[str, Any]:
    """Name the address of an example that is not text."""
    return {"worked": {"summary": "A worked example", "externalValue": url}}


def request_example(example: Any) -> dict[str, Any]:
    """Show an example of a JSON request body."""
    return {"worked": {"summary": "A worked example", "value": example}}


def extend_openapi(app: FastAPI, *bodies: type[BaseModel]) -> None:
    """Describe every error by one schema, these bodies by theirs, and show examples whole."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        schema = make()
        schemas = schema["components"]["schemas"]
        if "Problem" not in schemas:
            definition = Problem.model_json_schema(ref_template=REFERENCES, mode="serialization")
            schemas |= definition.pop("$defs")
            schemas["Problem"] = definition
            schemas |= {body.__name__: body.model_json_schema(ref_template=REFERENCES) for body in bodies}
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            _restore_examples(app, schema["paths"])
            _describe_names(schema["paths"])
        return schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend it


def _restore_examples(app: FastAPI, paths: dict[str, Any]) -> None:
    """Show the examples of responses whole: FastAPI leaves out their members that are null."""
    for route in _documented(app):
        shown = paths[route.path][min(route.methods or ()).lower()]["responses"]
        for status, response in route.responses.items():
            example = response.get("content", {}).get("application/json", {}).get("example")
            if example is not None:
                shown[str(status)]["content"]["application/json"]["example"] = example
            for media in shown[str(status)].get("content", {}).values():
                for file in media.get("examples", {}).values():
                    file["externalValue"] = app.state.settings.root_path + file["externalValue"]


def _describe_names(paths: dict[str, Any]) -> None:
    """Describe the header with which a response that may be a file comes."""
    for operations in paths.values():
        for operation in operations.values():
            for response in operation["responses"].values():
                if response.get("content", {}).keys() - IN_JSON:
                    response.setdefault("headers", {})["Content-Disposition"] = FILE_NAME


def _documented(app: FastAPI) -> Sequence[APIRoute]:
    routes = (context.original_route for context in iter_route_contexts(app.routes))
    return [route for route in routes if isinstance(route, APIRoute) and route.include_in_schema]
