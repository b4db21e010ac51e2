import asyncio
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from structlog.contextvars import get_contextvars, merge_contextvars
from structlog.testing import capture_logs

from service.edge.problems import problem_response
from service.edge.request_id import RequestId
from service.errors import Overloaded


async def tell_id(scope: Any, receive: Any, send: Any) -> None:
    ids = f"{Request(scope).state.request_id} {get_contextvars()['request_id']}"
    await PlainTextResponse(ids, 202)(scope, receive, send)


async def fail(_scope: Any, _receive: Any, _send: Any) -> None:
    raise ZeroDivisionError


def get(app: Any, *paths: str) -> list[httpx.Response]:
    async def get_all() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return [await client.get(path) for path in paths]

    return asyncio.run(get_all())


def test_a_request_has_one_id_in_its_state_its_logs_and_its_answer() -> None:
    [answer] = get(RequestId(tell_id), "/jobs")

    request_id = answer.headers["x-request-id"]
    assert answer.text == f"{request_id} {request_id}"


def test_ids_are_sortable_by_time_and_opaque() -> None:
    first, second = (answer.headers["x-request-id"] for answer in get(RequestId(tell_id), "/", "/"))

    assert first < second
    assert (first[:4], len(first), int(first[4:], 16) >> 76 & 0xF) == ("req_", 36, 7)


def test_a_client_cannot_choose_the_id() -> None:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(RequestId(tell_id))) as client:
            return await client.get("http://x/", headers={"X-Request-ID": "mine"})

    assert "mine" not in asyncio.run(ask()).headers.get_list("x-request-id")


def test_a_request_logs_one_line_without_its_query() -> None:
    with capture_logs(processors=[merge_contextvars]) as lines:
        [answer] = get(RequestId(tell_id), "/jobs?key=secret")

    [line] = lines
    assert line.pop("seconds") >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "request_id": answer.headers["x-request-id"],
        "method": "GET",
        "path": "/jobs",
        "status": 202,
    }


JOB = f"job_{'0' * 32}"


async def create(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("", 201, {"Location": f"/a/jobs/{JOB}"})(scope, receive, send)


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    await problem_response(Overloaded("too much"), scope)(scope, receive, send)


@pytest.mark.parametrize(
    ("app", "path", "more"),
    [
        (tell_id, f"/jobs/{JOB}/metrics", {"job": JOB}),
        (tell_id, f"/comparisons/cmp_{'1' * 32}", {"comparison": f"cmp_{'1' * 32}"}),
        (tell_id, f"/jobs/{JOB}0", {}),
        (create, "/jobs", {"job": JOB}),
        (refuse, "/jobs", {"code": "overloaded"}),
    ],
    ids=["a job", "a comparison", "no id", "a job that it creates", "a problem"],
)
def test_a_line_names_what_the_request_is_about(app: Any, path: str, more: dict[str, str]) -> None:
    with capture_logs() as lines:
        get(RequestId(app), path)

    [line] = lines
    assert {name: line[name] for name in ("job", "comparison", "code") if name in line} == more


def test_a_path_cannot_forge_a_line() -> None:
    with capture_logs() as lines:
        get(RequestId(tell_id), "/a%0a2026%1b[31m")

    assert [line["path"] for line in lines] == ["/a%0A2026%1B%5B31m"]


def test_what_counts_requests_gets_their_end() -> None:
    ends: list[tuple[str, int | None, bool]] = []

    def note(scope: Any, status: int | None, seconds: float) -> None:
        ends.append((scope["path"], status, seconds > 0))

    get(RequestId(tell_id, note), "/jobs")
    get(RequestId(fail, note), "/jobs")

    assert ends == [("/jobs", 202, True), ("/jobs", None, True)]


TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("given", "trace_id"),
    [
        ([f"00-{TRACE}-{PARENT}-01"], TRACE),
        ([f"00-{TRACE}-{PARENT}-00"], TRACE),
        ([f"cc-{TRACE}-{PARENT}-01"], TRACE),
        ([f"cc-{TRACE}-{PARENT}-01-what-comes-later"], TRACE),
        ([], None),
        ([""], None),
        ([f"00-{TRACE}-{PARENT}-01"] * 2, None),
        ([f"00-{TRACE}-{PARENT}-01-more"], None),
        ([f"cc-{TRACE}-{PARENT}-01.more"], None),
        ([f"ff-{TRACE}-{PARENT}-01"], None),
        ([f"00-{'0' * 32}-{PARENT}-01"], None),
        ([f"00-{TRACE}-{'0' * 16}-01"], None),
        ([f"00-{TRACE.upper()}-{PARENT}-01"], None),
        ([f"00-{TRACE[1:]}-{PARENT}-01"], None),
        ([f"00-{TRACE}-{PARENT}-1"], None),
        ([f"00-{TRACE}-{PARENT}"], None),
    ],
)
def test_a_valid_traceparent_is_in_every_line_and_not_in_the_answer(
    given: list[str], trace_id: str | None
) -> None:
    async def ask() -> httpx.Response:
        headers = [("traceparent", value) for value in given]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(RequestId(tell_id))) as client:
            return await client.get("http://x/jobs", headers=headers)

    with capture_logs(processors=[merge_contextvars]) as lines:
        answer = asyncio.run(ask())

    assert [line.get("trace_id") for line in lines] == [trace_id]
    assert answer.headers.keys().isdisjoint({"traceparent", "traceresponse"})


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_probes_are_logged_for_debugging_only(path: str) -> None:
    with capture_logs() as lines:
        get(RequestId(tell_id), path)

    assert [line["log_level"] for line in lines] == ["debug"]


def test_a_request_without_answer_is_logged_too() -> None:
    with capture_logs() as lines:
        get(RequestId(fail), "/jobs")

    assert [line["status"] for line in lines] == [None]


def test_the_id_is_gone_after_the_request() -> None:
    async def ask() -> dict[str, Any]:
        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None: ...

        await RequestId(tell_id)({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)
        return get_contextvars()

    assert asyncio.run(ask()) == {}


def test_what_is_not_http_passes_untouched() -> None:
    seen = []
    absent: Any = None

    async def note(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    asyncio.run(RequestId(note)({"type": "lifespan"}, absent, absent))

    assert seen == [({"type": "lifespan"}, None, None)]
