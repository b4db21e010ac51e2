"""The description of the API is whole, and its worked examples work."""

import json
import re
import shutil
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from service.api.comparisons.examples import COMPARISON_ASKED
from service.api.jobs.examples import JOB_ID
from service.api.shared.problems import PROBLEM_TYPE, Problem
from service.app import create_app
from service.settings import Settings
from tests.api import planted, work
from tests.api.conftest import serving
from tests.api.described import APP, OPERATIONS, SCHEMA
from tests.api.work import submitted
from tests.edge.scopes import TABLE
from tests.store.rows import metric

SCHEMAS = {
    f"{min(route.methods or ())} {route.path}": route.response_model
    for route in (each.original_route for each in iter_route_contexts(APP.routes))
    if isinstance(route, APIRoute)
}
WEIGHTS = "GET /jobs/{job_id}/checkpoints/{which}/weights"
FILES = {
    WEIGHTS: "application/vnd.safetensors",
    "GET /jobs/{job_id}/metrics.csv": "text/csv",
    "GET /jobs/{job_id}/metrics.ndjson": "application/x-ndjson",
    "GET /jobs/{job_id}/export": "application/vnd.safetensors",
    "GET /jobs/{job_id}/confusion.csv": "text/csv",
    "GET /jobs/{job_id}/misclassified.csv": "text/csv",
    "GET /jobs/{job_id}/misclassified.png": "image/png",
    "GET /jobs/{job_id}/plot.png": "image/png",
    "GET /jobs/{job_id}/plot.svg": "image/svg+xml",
    "GET /jobs/{job_id}/events": "text/event-stream",
    "GET /comparisons/{comparison_id}/events": "text/event-stream",
    "GET /events": "text/event-stream",
    "GET /comparisons/{comparison_id}/runs.csv": "text/csv",
    "GET /comparisons/{comparison_id}/summary.csv": "text/csv",
    "GET /comparisons/{comparison_id}/curves.csv": "text/csv",
    "GET /comparisons/{comparison_id}/robustness.csv": "text/csv",
    "GET /comparisons/{comparison_id}/plot.png": "image/png",
    "GET /comparisons/{comparison_id}/plot.svg": "image/svg+xml",
    "GET /comparisons/{comparison_id}/report.md": "text/markdown",
    "GET /comparisons/{comparison_id}/report.html": "text/html",
    "GET /metrics": "text/plain",
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
def test_an_operation_with_a_body_documents_unsupported_bodies(name: str) -> None:
    assert "415" in OPERATIONS[name]["responses"]


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_json_body_has_a_strict_schema(name: str) -> None:
    reference = OPERATIONS[name]["requestBody"]["content"]["application/json"]["schema"]["$ref"]

    assert SCHEMA["components"]["schemas"][reference.rpartition("/")[2]]["additionalProperties"] is False


def test_every_reference_leads_somewhere() -> None:
    components = SCHEMA["components"].items()
    named = {f"#/components/{kind}/{name}" for kind, parts in components for name in parts}

    assert {value for name, value in members(SCHEMA) if name == "$ref"} <= named


def test_fastapi_s_own_errors_are_not_described() -> None:
    assert {"HTTPValidationError", "ValidationError"} & {*SCHEMA["components"]["schemas"]} == set()


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
    errors = {status: answer for status, answer in OPERATIONS[name]["responses"].items() if status >= "400"}

    at_the_door = set() if name.startswith("GET") else {"403"}
    assert {*errors} >= at_the_door | {"400", "408", "413", "414", "421", "422", "431", "500"}
    assert errors == {status: {"$ref": f"#/components/responses/Problem{status}"} for status in errors}


@pytest.mark.parametrize(("name", "response"), SCHEMA["components"]["responses"].items())
def test_a_shared_response_shows_each_problem_of_its_status(name: str, response: dict[str, Any]) -> None:
    [(media_type, content)] = response["content"].items()
    shown = {code: Problem.model_validate(each["value"]) for code, each in content["examples"].items()}

    assert (media_type, content["schema"]) == (PROBLEM_TYPE, {"$ref": "#/components/schemas/Problem"})
    assert {(code, f"Problem{each.status}") for code, each in shown.items()} == {
        (each.code, name) for each in shown.values()
    }
    assert ("Retry-After" in response.get("headers", {})) is (name in {"Problem429", "Problem503"})


def test_a_problem_of_each_status_is_described_once() -> None:
    """A generator of clients reads it once, and so does a person."""
    assert json.dumps(SCHEMA).count(f'"{PROBLEM_TYPE}"') == len(SCHEMA["components"]["responses"])


@pytest.mark.slow
def test_operations_name_the_scope_of_their_key_and_how_they_refuse_others() -> None:
    refusals = {
        name: sorted({"401", "403"} & operation["responses"].keys()) for name, operation in OPERATIONS.items()
    }

    assert security_of(SCHEMA) == {name: [*needed(name), {}] if needed(name) else [] for name in OPERATIONS}
    assert refusals == {name: ["401", "403"] if needed(name) else [] for name in OPERATIONS}
    # Where keys are always demanded, a request without one is no choice.
    strict = create_app(Settings(auth="keys")).openapi()
    assert security_of(strict) == {name: needed(name) for name in OPERATIONS}


def needed(name: str) -> list[dict[str, list[str]]]:
    return [] if TABLE[name] == "open" else [{"bearer": [TABLE[name]]}, {"header": [TABLE[name]]}]


def security_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{method.upper()} {path}": operation["security"]
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    }


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


TABLES = [
    name
    for name, operation in OPERATIONS.items()
    if "text/csv" in operation["responses"].get("200", {}).get("content", {})
]


Respond = Callable[[str, str], tuple[Any, str | None]]
"""The response to an example, and the same as CSV where there is one."""


@pytest.fixture
def example() -> str:
    return "worked"


@pytest.fixture(scope="module")
def respond(trained_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Respond:
    """Make the response to an example of an operation, once for all tests, on a database of its own."""

    @cache
    def once(name: str, example: str) -> tuple[Any, str | None]:
        folder = tmp_path_factory.mktemp("example")
        path = shutil.copy(trained_file, folder / "copied.db")
        with serving(f"sqlite:///{path}", folder) as client:
            response = requested(client, name, example)
            table = client.get(response.url.path, headers={"Accept": "text/csv"}) if name in TABLES else None
        return response, table and table.text

    return once


@pytest.fixture
def answer(respond: Respond, name: str, example: str) -> Any:
    """The answer to the worked example of an operation."""
    return respond(name, example)[0]


def requested(client: TestClient, name: str, example: str) -> Any:
    """Make what an example needs, and send it."""
    method, path = name.split()
    [job] = client.get("/jobs").json()["items"]
    queued = submitted(client)["id"] if name.endswith(("{job_id}/cancel", "/queue")) else None
    comparison = COMPARISONS.get(name, begun_comparison)(client) if "comparison" in path else None
    if name == "POST /comparisons/{comparison_id}/predict":
        comparison = planted.with_net(client, job)["id"]
    webhook_id, delivery_id = planted.delivered(client) if "/webhooks" in path else (None, None)
    url = path.format(
        webhook_id=webhook_id,
        delivery_id=delivery_id,
        job_id=queued or job["id"],
        other_id=job["id"],
        comparison_id=comparison,
        which="latest",
        name="mnist",
        split="test",
        index=0,
        model_name="new" if method == "PUT" else pointed_model(client, job) if "/models" in path else None,
        version=1,
    )
    content = OPERATIONS[name].get("requestBody", {}).get("content", {}).get("application/json", {})
    body = content.get("examples", {}).get(example, {}).get("value")
    body = None if body is None else json.loads(json.dumps(body).replace(JOB_ID, job["id"]))
    return client.request(method, url, json=body, params=QUERIES.get(name))


def pointed_model(client: TestClient, job: dict[str, Any]) -> str:
    """The name of a model with two versions."""
    for checkpoint in (500, 1000):
        client.put("/models/digits", json={"job": job["id"], "checkpoint": checkpoint})
    return "digits"


@pytest.mark.slow
@named
def test_a_worked_example_works(answer: Any, name: str) -> None:
    expected = EXAMPLES[name in FILES](name, OPERATIONS[name])

    assert (answer.status_code, shape_of(answer)) == expected


FURTHER = [
    (name, example)
    for name in WITH_BODY
    for example in OPERATIONS[name]["requestBody"]["content"]["application/json"].get("examples", {})
    if example != "worked"
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "example"), FURTHER)
def test_the_other_examples_of_a_body_work(answer: Any, name: str, example: str) -> None:
    assert answer.status_code == 200, example
    TypeAdapter(SCHEMAS[name]).validate_json(answer.content)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in FILES])
def test_an_answer_fits_its_schema(answer: Any, name: str) -> None:
    schema = TypeAdapter(SCHEMAS[name])

    read = schema.validate_json(answer.content)

    assert json.loads(schema.dump_json(read, by_alias=True)) == answer.json()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name.startswith("GET")])
def test_a_conditional_get_is_described_as_one(answer: Any, name: str) -> None:
    operation = OPERATIONS[name]
    parameters = {parameter["name"] for parameter in operation.get("parameters", [])}
    responses = [operation["responses"].get(status, {}).get("headers", {}) for status in ("200", "304")]
    own = [{*headers} - {"Content-Disposition"} for headers in responses]

    is_conditional = "ETag" in answer.headers
    assert ("If-None-Match" in parameters, "304" in operation["responses"]) == (is_conditional,) * 2
    assert own == [{"ETag"} if is_conditional else set()] * 2


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_an_example_in_csv_has_the_columns_of_the_answer(respond: Respond, name: str) -> None:
    example = OPERATIONS[name]["responses"]["200"]["content"]["text/csv"]["example"]

    _, table = respond(name, "worked")

    assert table is not None
    assert table.splitlines()[0] == example.splitlines()[0]
    assert {row.count(",") for row in example.splitlines()} == {table.splitlines()[0].count(",")}


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
    """The id of a comparison of eight seeds whose runs have ended."""
    comparison = planted.comparison(client, lambda _arm, seed, _rate: 0.95 + 0.001 * seed, seeds=8, **body)
    comparison_id: str = comparison["id"]
    return comparison_id


COMPARISONS: dict[str, Callable[[TestClient], str]] = {
    "DELETE /comparisons/{comparison_id}": cancelled_comparison,
    "GET /comparisons/{comparison_id}/runs": ended_comparison,
    "GET /comparisons/{comparison_id}/summary": ended_comparison,
    "GET /comparisons/{comparison_id}/curves": ended_comparison,
    **dict.fromkeys((name for name in FILES if "comparison" in name), ended_comparison),
    **dict.fromkeys(
        ("GET /comparisons/{comparison_id}/robustness", "GET /comparisons/{comparison_id}/robustness.csv"),
        partial(ended_comparison, learning_rates=[0.1]),
    ),
}


QUERIES = {"GET /jobs/{job_id}/difference/{other_id}": {"other_checkpoint": 500}}
"""What a worked example needs besides the path: here, two nets that differ."""


Example = Callable[[str, dict[str, Any]], tuple[int, Any]]


def shape_of(answer: Any) -> Any:
    media_type = answer.headers["Content-Type"].partition(";")[0]
    return shape(answer.json()) if media_type == "application/json" else media_type


def json_example(_name: str, operation: dict[str, Any]) -> tuple[int, Any]:
    status, example = worked(operation)
    return status, shape(example)


def file_example(name: str, operation: dict[str, Any]) -> tuple[int, Any]:
    content = operation["responses"]["200"]["content"][FILES[name]]
    address = content.get("examples", {}).get("worked", {}).get("externalValue")
    assert "example" in content if address is None else address.endswith(name.rpartition("/")[2])
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
