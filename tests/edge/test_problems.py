import asyncio
from typing import Annotated, Any, Literal

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from service.edge.problems import (
    Problems,
    field_errors,
    pointer_to,
    problem_body,
    render_error,
    render_http_exception,
)
from service.edge.request_id import RequestId
from service.errors import FieldError, JobNotFound, NormserveError, Overloaded, ValidationFailed


class Sgd(BaseModel):
    name: Literal["sgd"]


class Adam(BaseModel):
    name: Literal["adam"]


class Spec(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    steps: Annotated[int, Field(gt=0, le=100)] = 1
    label: Annotated[str, Field(min_length=1, max_length=3)] = "x"
    tags: Annotated[list[str], Field(max_length=2)] = []
    norm: Literal["batch", "layer"] = "batch"
    optimizer: Annotated[Sgd | Adam, Field(discriminator="name")] = Sgd(name="sgd")
    id: Annotated[Any, Field(default=None)]
    batch_size: int = 32

    @field_validator("id")
    @classmethod
    def refuse(cls, _value: Any) -> Any:
        raise ValueError("GroupNorm has no id")

    @model_validator(mode="after")
    def batch_norm_needs_two(self) -> "Spec":
        if self.batch_size < 2:
            fields = {"fields": ["norm", "batch_size"]}
            raise PydanticCustomError("norm_needs_batch", "batch norm needs batch_size of at least 2", fields)
        return self


def raw(kind: str, location: tuple[str, ...], message: str, cause: str | None = None) -> dict[str, Any]:
    return {"type": kind, "loc": location, "msg": message, "ctx": {"error": cause}}


def spec_errors(**members: Any) -> list[Any]:
    with pytest.raises(ValidationError) as caught:
        Spec.model_validate_json(orjson.dumps(members))
    return caught.value.errors()


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"steps": 0}, FieldError("/steps", "greater_than", "must be greater than 0")),
        ({"steps": 101}, FieldError("/steps", "less_than_equal", "must be less than or equal to 100")),
        ({"steps": "7"}, FieldError("/steps", "int_type", "must be an integer")),
        ({"steps": True}, FieldError("/steps", "int_type", "must be an integer")),
        ({"label": "long"}, FieldError("/label", "string_too_long", "must have at most 3 characters")),
        ({"tags": ["a"] * 9}, FieldError("/tags", "too_long", "must have at most 2 items")),
        ({"tags": ["a", 7]}, FieldError("/tags/1", "string_type", "must be a string")),
        ({"norm": "canary"}, FieldError("/norm", "literal_error", "must be 'batch' or 'layer'")),
        (
            {"optimizer": {"name": "canary"}},
            FieldError("/optimizer", "union_tag_invalid", "must name one of 'sgd', 'adam'"),
        ),
        ({"optimizer": 3}, FieldError("/optimizer", "dict_type", "must be an object")),
        ({"stepz": 3}, FieldError("/stepz", "extra_forbidden", "is not a known field")),
        ({"<script>": 3}, FieldError("", "extra_forbidden", "is not a known field")),
        ({"id": "canary"}, FieldError("/id", "value_error", "GroupNorm has no id")),
    ],
    ids=lambda value: getattr(value, "code", "given"),
)
def test_a_field_error_names_place_and_rule(members: dict[str, Any], place: FieldError) -> None:
    assert field_errors(spec_errors(**members)) == [place]


def test_a_rule_across_fields_stands_at_each_of_them() -> None:
    assert [(place.pointer, place.code) for place in field_errors(spec_errors(batch_size=1), "/arms/3")] == [
        ("/arms/3/norm", "norm_needs_batch"),
        ("/arms/3/batch_size", "norm_needs_batch"),
    ]


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (
            raw("missing", ("body", "learning_rate"), "Field required"),
            FieldError("/learning_rate", "missing", "is required"),
        ),
        (
            raw("int_parsing", ("query", "limit"), "Input should be a valid integer"),
            FieldError("/limit", "int_parsing", "must be an integer"),
        ),
        (
            raw(
                "uuid_parsing",
                ("path", "id"),
                "Input should be a valid UUID, found `canary`",
                "found `canary`",
            ),
            FieldError("/id", "uuid_parsing", "must be a UUID"),
        ),
        (
            {
                "type": "decimal_max_digits",
                "loc": ("body",),
                "msg": "Decimal input should have no more than 3 digits in total",
                "ctx": {"max_digits": 3},
            },
            FieldError("", "decimal_max_digits", "must have at most 3 digits"),
        ),
        (
            raw("int_parsing_size", ("x",), "Unable to parse input string as an integer"),
            FieldError("/x", "int_parsing_size", "must be an integer with fewer digits"),
        ),
    ],
    ids=lambda value: getattr(value, "code", "given"),
)
def test_the_source_and_the_parsers_words_are_left_out(error: dict[str, Any], place: FieldError) -> None:
    assert field_errors([error]) == [place]


@pytest.mark.parametrize(
    ("location", "pointer"),
    [
        ((), ""),
        (("arms", 0, "learning_rate"), "/arms/0/learning_rate"),
        (("a.b-c_d",), "/a.b-c_d"),
        (("arms", "x" * 64, "y"), "/arms/" + "x" * 64 + "/y"),
        (("arms", "x" * 65, "y"), "/arms"),
        (("arms", "a/b", "y"), "/arms"),
        (("arms", "a~b", "y"), "/arms"),
        (("arms", "", "y"), "/arms"),
        (("arms", "a\n"), "/arms"),
    ],
)
def test_a_pointer_ends_before_a_name_that_is_not_plain(location: Any, pointer: str) -> None:
    assert pointer_to(location) == pointer


def test_ten_of_many_errors_are_translated() -> None:
    errors = [{"type": "missing", "loc": (row,), "msg": "Field required"} for row in range(1_000)]

    assert [place.pointer for place in field_errors(errors)] == [f"/{row}" for row in range(10)]


def test_a_problem_has_every_member() -> None:
    error = ValidationFailed("Two fields break a rule.", [FieldError("/steps", "missing", "is required")])

    assert orjson.loads(problem_body(error, "req_1")) == {
        "type": "/problems/validation-error",
        "title": "The request breaks a rule",
        "status": 422,
        "detail": "Two fields break a rule.",
        "instance": "req_1",
        "code": "validation-error",
        "errors": [{"pointer": "/steps", "code": "missing", "message": "is required"}],
    }


def test_a_long_pointer_is_cut_between_names() -> None:
    error = ValidationFailed("x", [FieldError("/0123456789" * 20, "missing", "is required")])

    [place] = orjson.loads(problem_body(error, "req_1"))["errors"]

    assert place["pointer"] == "/0123456789" * 14


def test_errors_that_do_not_fit_into_4_kb_are_left_out() -> None:
    places = [FieldError(f"/{row}", "c", "\U0001f600" * 300) for row in range(10)]

    body = problem_body(ValidationFailed("x", places), "req_1")

    assert [place["pointer"] for place in orjson.loads(body)["errors"]] == ["/0", "/1", "/2", "/3"]


NASTY = st.text(st.characters() | st.sampled_from('\0\ud800"\\/é\U0001f600'))


@given(NASTY, st.lists(st.builds(FieldError, NASTY, st.just("c"), NASTY)), st.integers(1, 2_000))
def test_any_problem_is_short_json(detail: str, places: list[FieldError], times: int) -> None:
    body = problem_body(ValidationFailed(detail * times, places * times), "req_1")

    assert len(body) <= 4096
    assert len(orjson.loads(body)["errors"]) <= 10


ERRORS = {
    "/fail": ZeroDivisionError("canary"),
    "/miss": JobNotFound("There is no such job."),
    "/conflict": HTTPException(409, "canary"),
    "/refused": Overloaded("Too much waits."),
}


async def fail(request: Request) -> Response:
    raise ERRORS[request.url.path]


def refuse(app: Any) -> Any:
    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        await (fail(Request(scope)) if scope["path"] == "/refused" else app(scope, receive, send))

    return refusing


HANDLERS: dict[Any, Any] = {NormserveError: render_error, HTTPException: render_http_exception}
APP = Starlette(
    routes=[Route("/fail", fail), Route("/miss", fail, methods=["POST"]), Route("/conflict", fail)],
    middleware=[Middleware(RequestId), Middleware(Problems), Middleware(refuse)],
    exception_handlers=HANDLERS,
)


def request(method: str, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://x") as client:
            return await client.request(method, path)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "headers"),
    [
        pytest.param("GET", "/fail", 500, "internal", {}, id="unknown-error"),
        pytest.param("POST", "/miss", 404, "job-not-found", {}, id="own-error"),
        pytest.param("GET", "/refused", 503, "overloaded", {"retry-after": "1"}, id="refused-by-middleware"),
        pytest.param("GET", "/nothing", 404, "not-found", {}, id="no-route"),
        pytest.param("GET", "/miss", 405, "method-not-allowed", {"allow": "POST"}, id="C11-no-method"),
        pytest.param("TRACE", "/miss", 405, "method-not-allowed", {"allow": "POST"}, id="C11-trace"),
        pytest.param("GET", "/conflict", 409, "conflict", {}, id="other-status"),
    ],
)
def test_every_error_is_a_problem_named_by_the_request_id(
    method: str, path: str, status: int, code: str, headers: dict[str, str]
) -> None:
    with capture_logs():
        answer = request(method, path)

    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert (problem["type"], problem["instance"]) == (f"/problems/{code}", answer.headers["x-request-id"])
    assert answer.headers["content-type"] == "application/problem+json"
    assert headers.items() <= answer.headers.items()
    assert b"canary" not in answer.content


def test_an_unknown_error_is_logged_under_the_request_id() -> None:
    with capture_logs() as lines:
        answer = request("GET", "/fail")

    request_id = answer.headers["x-request-id"]
    assert lines[0] == {
        "event": "unhandled", "log_level": "error", "request_id": request_id, "exc_info": ERRORS["/fail"]
    }  # fmt: skip


def test_an_error_after_the_answer_began_breaks_the_connection() -> None:
    sent = []
    absent: Any = None

    async def break_off(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise JobNotFound("gone")

    async def send(message: Any) -> None:
        sent.append(message["type"])

    with pytest.raises(JobNotFound):
        asyncio.run(Problems(break_off)({"type": "http", "headers": []}, absent, send))

    assert sent == ["http.response.start"]


def test_what_is_not_http_passes_untouched() -> None:
    seen = []
    absent: Any = None

    async def note(*arguments: Any) -> None:
        seen.append(arguments)

    asyncio.run(Problems(note)({"type": "lifespan"}, absent, absent))

    assert seen == [({"type": "lifespan"}, None, None)]
