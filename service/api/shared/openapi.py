"""What OpenAPI shows beyond what FastAPI derives from the routes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.api.shared.problems import NEEDS_ORIGIN, Problem, problem_response, problems
from service.api.shared.scopes import declared_scope
from service.callers import OPEN

Responses = dict[int | str, dict[str, Any]]

REFERENCES = "#/components/schemas/{model}"
TEXT = {"type": "string"}
UNCHANGED: Responses = {304: {"description": "The client has the newest version"}}
"""Declares that a GET is conditional: its parameter and its headers follow from this."""
SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key. None is needed before `normserve keys create` has made the first one.",
    },
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same key, for clients that cannot send it as a bearer.",
    },
}
REFUSALS = (401, 403, 429, 503)
"""No right key, a key without the scope, too many requests or wrong keys, and keys that cannot be read."""
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of a version that the client has: if it is the newest, the response is 304.",
    "schema": TEXT,
}
ETAG = {"ETag": {"description": "Identifies this version, for If-None-Match.", "schema": TEXT}}
FILE_NAME = {"Content-Disposition": {"description": "The name to save the file under.", "schema": TEXT}}
NOT_FILES = {
    "application/json",
    "application/openmetrics-text",
    "application/problem+json",
    "text/event-stream",
    "text/plain",
}


def json_response(status: int, example: Any) -> Responses:
    """Document a JSON response with its example."""
    return {status: {"content": {"application/json": {"example": example}}}}


def conditional_response(example: Any) -> Responses:
    """Document a conditional JSON response with its example."""
    return {**json_response(200, example), **UNCHANGED}


def table_response(example: Any, table: str) -> Responses:
    """Document a conditional response that is JSON or CSV, each with its example."""
    content = {"application/json": {"example": example}, "text/csv": {"schema": TEXT, "example": table}}
    return {200: {"content": content}, **UNCHANGED}


def text_response(media_type: str, example: str) -> Responses:
    """Document a conditional response that is text, such as CSV, with its example."""
    return {200: {"content": {media_type: {"schema": TEXT, "example": example}}}, **UNCHANGED}


def file_response(media_type: str, url: str) -> Responses:
    """Document a conditional response that is a file, with the address of an example."""
    is_text = media_type.startswith("text/") or media_type.endswith("+xml")
    schema = TEXT if is_text else binary(media_type)
    return {
        200: {"content": {media_type: {"schema": schema, "examples": external_example(url)}}},
        **UNCHANGED,
    }


def binary(media_type: str) -> dict[str, Any]:
    """Return the schema of bytes of this media type."""
    # Generators of clients know the format, OpenAPI 3.1 the media type.
    return {"type": "string", "format": "binary", "contentMediaType": media_type}


def external_example(url: str) -> dict[str, Any]:
    """Name the address of an example that is not text."""
    return {"worked": {"summary": "A worked example", "externalValue": url}}


def request_example(example: Any) -> dict[str, Any]:
    """Show an example of a JSON request body."""
    return {"worked": {"summary": "A worked example", "value": example}}


def extend_openapi(
    app: FastAPI, bodies: Sequence[type[BaseModel]], events: Iterable[type[BaseModel]]
) -> None:
    """Describe every error by one schema, these bodies and events by theirs, and what FastAPI leaves out."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        schema = make()
        schemas = schema["components"]["schemas"]
        if "Problem" not in schemas:
            written: list[Any] = [(model, "serialization") for model in (Problem, *events)]
            schemas |= models_json_schema(written, ref_template=REFERENCES)[1]["$defs"]
            schemas |= {body.__name__: body.model_json_schema(ref_template=REFERENCES) for body in bodies}
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            schema["components"]["securitySchemes"] = SECURITY_SCHEMES
            _restore_examples(app, schema["paths"])
            _describe_keys(app, schema["paths"])
            schema["components"]["responses"] = _share_problems(schema["paths"])
            for operation in _operations(schema["paths"]):
                _describe_caching(operation)
                _describe_names(operation)
                for parameter in operation.get("parameters", []):
                    parameter["schema"] = _without_null(parameter["schema"])
        return schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend it


def _operations(paths: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (operation for operations in paths.values() for operation in operations.values())


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


def _describe_keys(app: FastAPI, paths: dict[str, Any]) -> None:
    """Describe which scope a key needs, and how a request without one is refused.

    A service that may have no key yet says that an operation needs one of these, or nothing.
    """
    without: list[dict[str, Any]] = [] if app.state.settings.demands_keys else [{}]
    for route in _documented(app):
        scope = declared_scope(route.endpoint)
        operation = paths[route.path][min(route.methods or ()).lower()]
        needed = [{name: [scope]} for name in SECURITY_SCHEMES]
        operation["security"] = [] if scope == OPEN else [*needed, *without]
        if scope != OPEN:
            shown = {str(status): response for status, response in problems(*REFUSALS).items()}
            operation["responses"] = {**shown, **operation["responses"]}


def _share_problems(paths: dict[str, Any]) -> dict[str, Any]:
    """Put a reference in the place of each problem of an operation; return what they refer to."""
    shared = {}
    for method, operation in (each for operations in paths.values() for each in operations.items()):
        responses = operation["responses"]
        origin = set() if method == "get" else {str(NEEDS_ORIGIN)}
        for status in sorted(origin | {status for status in responses if status >= "400"}):
            name = f"Problem{status}"
            if name not in shared:
                shared[name] = problem_response(int(status))
            responses[status] = {"$ref": f"#/components/responses/{name}"}
        operation["responses"] = dict(sorted(responses.items()))
    return dict(sorted(shared.items()))


def _describe_caching(operation: dict[str, Any]) -> None:
    """Describe If-None-Match of a conditional request, and ETag of its responses."""
    responses = operation["responses"]
    if "304" in responses:
        operation.setdefault("parameters", []).append(IF_NONE_MATCH)
        for status in {"200", "206", "304"} & responses.keys():
            responses[status]["headers"] = ETAG


def _describe_names(operation: dict[str, Any]) -> None:
    """Describe the header that names a response which is a file, at least in one of its formats."""
    for response in operation["responses"].values():
        if response.get("content", {}).keys() - NOT_FILES:
            response["headers"] = {**response.get("headers", {}), **FILE_NAME}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter without null, which no query and no header can say."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **kinds[0]}


def _documented(app: FastAPI) -> Sequence[APIRoute]:
    routes = (context.original_route for context in iter_route_contexts(app.routes))
    return [route for route in routes if isinstance(route, APIRoute) and route.include_in_schema]
