"""The description of the API is whole, and its worked examples work."""

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from service.api.comparisons.examples import COMPARISON_ASKED
from service.app import create_app
from service.settings import Settings
from tests.api import planted, work
from tests.api.work import submitted
from tests.store.rows import metric

APP = create_app(Settings())
SCHEMA = APP.openapi()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in SCHEMA["paths"].items()
    for method, operation in operations.items()
}
SCHEMAS = {
    f"{min(route.methods or ())} {route.path}": route.response_model
    for route in (each.original_route for each in iter_route_contexts(APP.routes))
    if isinstance(route, APIRoute)
}
WEIGHTS = "GET /jobs/{job_id}/checkpoints/{which}/weights"
FILES = {
    WEIGHTS: "application/vnd.safetensors",
    "GET /comparisons/{comparison_id}/plot.png": "image/png",
    "GET /comparisons/{comparison_id}/plot.svg": "image/svg+xml",
    "GET /comparisons/{comparison_id}/report.md": "text/markdown",
    "GET /comparisons/{comparison_id}/report.html": "text/html",
}
"""Operations that answer with a file, and its type."""
named = pytest.mark.parametrize("name", OPERATIONS)


def members(value: Any) -> list[tuple[str, Any]]:
    """Every member of every object in it."""
    inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    own = list(value.items()) if isinstance(value, dict) else []
    return own + [member for part in inside for member in members(part)]


def shape(value: Any) -> Any:
    """Names and types; a list is as its last item."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value[-1:]]
    return type(value).__name__


def worked(operation: dict[str, Any]) -> tuple[int, Any]:
    """Status and body of the example of an operation's answer; a dry run's is the lesser of two."""
    return max(
        (int(status), answer["content"]["application/json"]["example"])
        for status, answer in operation["responses"].items()
        if status.startswith("2")
    )


@pytest.mark.slow
def test_the_description_is_openapi_3_1(trained: TestClient) -> None:
    served = trained.get("/openapi.json").json()

    assert served == SCHEMA
    assert re.fullmatch(r"3\.1\.\d+", served["openapi"])
    assert {*served["info"]} >= {"title", "version"}


WITH_BODY = [name for name, operation in OPERATIONS.items() if "requestBody" in operation]


@pytest.mark.parametrize("name", WITH_BODY)
def test_an_operation_with_a_body_documents_slow_and_unsupported_bodies(name: str) -> None:
    assert {"400", "408", "415"} <= OPERATIONS[name]["responses"].keys()


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_json_body_has_a_strict_schema(name: str) -> None:
    reference = OPERATIONS[name]["requestBody"]["content"]["application/json"]["schema"]["$ref"]

    assert SCHEMA["components"]["schemas"][reference.rpartition("/")[2]]["additionalProperties"] is False


def test_every_reference_leads_somewhere() -> None:
    named = {f"#/components/schemas/{name}" for name in SCHEMA["components"]["schemas"]}

    assert {value for name, value in members(SCHEMA) if name == "$ref"} <= named


def test_a_schema_has_a_plain_name() -> None:
    """Of two schemas with one name, FastAPI would put the modules before both."""
    names = SCHEMA["components"]["schemas"]

    assert [name for name in names if not re.fullmatch(r"[A-Z][A-Za-z]+(?<!Out)", name)] == []


def test_what_a_response_says_twice_has_one_name() -> None:
    schemas = SCHEMA["components"]["schemas"]
    named = {(name, field) for name, schema in schemas.items() for field in schema.get("properties", {})}

    assert {field for _, field in named} & {"std", "stddev", "lo", "hi", "group", "thinned"} == set()
    assert {name for name, field in named if field == "sampling"} == {
        *("TrainSpec", "JobSubmission", "JobDetails", "Overrides", "Arm")
    }


def test_fastapi_s_own_errors_are_not_described() -> None:
    assert {"HTTPValidationError", "ValidationError"} & {*SCHEMA["components"]["schemas"]} == set()


def test_operation_ids_are_there_and_unique() -> None:
    assert len({operation["operationId"] for operation in OPERATIONS.values()}) == len(OPERATIONS)


@named
def test_an_operation_is_explained(name: str) -> None:
    assert OPERATIONS[name]["summary"]
    assert OPERATIONS[name]["description"].rstrip().endswith(".")


@named
def test_an_operation_s_path_parameters_are_described(name: str) -> None:
    described = {entry["name"] for entry in OPERATIONS[name].get("parameters", []) if entry["in"] == "path"}

    assert described == {*re.findall(r"\{(\w+)\}", name)}


@named
def test_every_error_of_an_operation_is_a_problem(name: str) -> None:
    errors = {
        status: answer["content"]
        for status, answer in OPERATIONS[name]["responses"].items()
        if not status.startswith("2")
    }

    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert {*errors} >= {"413", "422", "500"}
    assert list(errors.values()) == [problem] * len(errors)


def test_the_problem_is_that_of_rfc_9457() -> None:
    problem = SCHEMA["components"]["schemas"]["Problem"]
    place = SCHEMA["components"]["schemas"]["InvalidField"]

    assert {*problem["required"]} == {*problem["properties"]}
    assert [*problem["properties"]] == ["type", "title", "status", "detail", "instance", "code", "errors"]
    assert (place["required"], problem["additionalProperties"]) == (["pointer", "code", "message"], False)


def test_the_bounds_of_a_spec_are_described() -> None:
    spec = SCHEMA["components"]["schemas"]["JobSubmission"]

    bounds = {"default": 1000, "minimum": 1, "maximum": 1_000_000}
    assert (spec["additionalProperties"], spec.get("required")) == (False, None)
    assert spec["properties"]["steps"].items() >= bounds.items()
    assert all("description" in field for field in spec["properties"].values())


@pytest.fixture
def answer(copied: TestClient, job: dict[str, Any], name: str) -> Any:
    """The answer to the worked example of an operation."""
    method, path = name.split()
    queued = submitted(copied)["id"] if name.endswith(("{job_id}/cancel", "/queue")) else None
    comparison = COMPARISONS.get(name, begun_comparison)(copied) if "comparison" in path else None
    url = path.format(
        job_id=queued or job["id"],
        comparison_id=comparison,
        which="latest",
        name="mnist",
        split="test",
        index=0,
    )
    content = OPERATIONS[name].get("requestBody", {}).get("content", {}).get("application/json", {})
    body = content.get("examples", {}).get("worked", {}).get("value")
    return copied.request(method, url, json=body)


@pytest.mark.slow
@named
def test_a_worked_example_works(answer: Any, name: str) -> None:
    expected = EXAMPLES[name in FILES](name, OPERATIONS[name])

    assert (answer.status_code, shape_of(answer)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in FILES])
def test_an_answer_fits_its_schema(answer: Any, name: str) -> None:
    schema = TypeAdapter(SCHEMAS[name])

    read = schema.validate_json(answer.content)

    assert json.loads(schema.dump_json(read, by_alias=True)) == answer.json()


def begun_comparison(client: TestClient) -> str:
    """The id of a comparison of which one job has begun."""
    comparison = client.post("/comparisons", json=COMPARISON_ASKED).json()
    first = client.get(comparison["links"]["jobs"]).json()["items"][0]
    work.record(client, work.claimed(client, first["id"]), metric(1))
    comparison_id: str = comparison["id"]
    return comparison_id


def cancelled_comparison(client: TestClient) -> str:
    comparison_id = begun_comparison(client)
    client.post(f"/comparisons/{comparison_id}/cancel")
    return comparison_id


def ended_comparison(client: TestClient, **body: Any) -> str:
    """The id of a comparison of five seeds whose runs have ended."""
    comparison = planted.comparison(client, lambda _arm, seed, _rate: 0.95 + 0.001 * seed, seeds=5, **body)
    comparison_id: str = comparison["id"]
    return comparison_id


COMPARISONS: dict[str, Callable[[TestClient], str]] = {
    "DELETE /comparisons/{comparison_id}": cancelled_comparison,
    "GET /comparisons/{comparison_id}/summary": ended_comparison,
    "GET /comparisons/{comparison_id}/curves": ended_comparison,
    "GET /comparisons/{comparison_id}/robustness": partial(ended_comparison, learning_rates=[0.1]),
    **dict.fromkeys(list(FILES)[1:], ended_comparison),
}


Example = Callable[[str, dict[str, Any]], tuple[int, Any]]


def shape_of(answer: Any) -> Any:
    media_type = answer.headers["Content-Type"].partition(";")[0]
    return shape(answer.json()) if media_type == "application/json" else media_type


def json_example(_name: str, operation: dict[str, Any]) -> tuple[int, Any]:
    status, example = worked(operation)
    return status, shape(example)


def file_example(name: str, operation: dict[str, Any]) -> tuple[int, Any]:
    content = operation["responses"]["200"]["content"][FILES[name]]
    assert content["examples"]["worked"]["externalValue"].endswith(name.rpartition("/")[2])
    return 200, FILES[name]


EXAMPLES: tuple[Example, Example] = (json_example, file_example)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in FILES])
def test_an_example_has_what_its_schema_requires(name: str) -> None:
    operation = OPERATIONS[name]
    status, example = worked(operation)
    schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
    described = SCHEMA["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)

    assert {*described.get("required", [])} <= {*example}


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "TRACE", "FOO"])
def test_a_method_that_there_is_not_is_refused_with_those_there_are(trained: TestClient, method: str) -> None:
    answer = trained.request(method, "/limits")

    assert work.problem(answer) == (405, "method-not-allowed", [])
    assert answer.headers["Allow"] == "GET, HEAD"
