import asyncio
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any

import httpx
import orjson
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from service.edge.bodies import Bodies
from service.edge.operations import Operation, Operations
from service.edge.problems import Problems

KIB, MIB = 2**10, 2**20
OPERATIONS = Operations(
    lambda: [
        Operation("POST", "/jobs", {"application/json": 64 * KIB}),
        Operation(
            "POST",
            "/jobs/{id}/predict",
            {"application/json": 4 * MIB, "image/png": 16 * MIB, "multipart/form-data": 16 * MIB},
        ),
    ]
)
JSON = {"Content-Type": "application/json"}
FORM = "application/x-www-form-urlencoded"
CANARY = b"canary-7f3a"
LARGE = CANARY * MIB
MALFORMED = (400, "malformed-json")
TOO_LARGE = (413, "payload-too-large")
WRONG_TYPE = (415, "unsupported-media-type")
WRONG_CODING = (415, "unsupported-encoding")
INVALID = (422, "validation-error")


def typed(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type}


def coded(coding: str) -> dict[str, str]:
    return JSON | {"Content-Encoding": coding}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = await Request(scope, receive).body()
    await Response(body, media_type="application/octet-stream")(scope, receive, send)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    config = uvicorn.Config(Problems(Bodies(echo, OPERATIONS)), lifespan="off", ws="none", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.fixture
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        yield client


def chunks(body: bytes) -> Iterator[bytes]:
    yield from (body[start : start + 65_536] for start in range(0, len(body), 65_536))


def answer_to(port: int, sent: bytes) -> tuple[int, str]:
    """Send raw bytes, keep the connection open, return the answer's status and problem code."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(sent)
        response = HTTPResponse(connection)
        response.begin()
        return response.status, orjson.loads(response.read())["code"]


def run(app: Any, scope: dict[str, Any], *messages: dict[str, Any]) -> list[Any]:
    """Drive the app with these messages and then silence; return what it sent."""
    sent: list[Any] = []
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else await asyncio.Future()

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def post(path: str, **headers: str) -> dict[str, Any]:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": path, "headers": pairs}


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        pytest.param("/jobs", "application/json", b'{"label": "x"}', id="json"),
        pytest.param("/jobs", "Application/JSON; charset=UTF-8", b"{}", id="json-with-charset"),
        pytest.param("/jobs", "application/json", b"null", id="C28-null"),
        pytest.param("/jobs", "application/json", b"1" + b" " * (64 * KIB - 1), id="C42-body-limit"),
        pytest.param("/jobs/job_1/predict", "application/json", b"[" + b"1," * MIB + b"1]", id="large-json"),
        pytest.param("/jobs/job_1/predict", "image/png", b"\x89PNG" * MIB, id="large-picture"),
        pytest.param("/jobs/job_1/predict", "multipart/form-data; boundary=x", b"--x--", id="form"),
    ],
)
@pytest.mark.parametrize("send", [bytes, chunks], ids=["length", "chunked"])
def test_a_body_within_its_rule_reaches_the_app_whole(
    client: httpx.Client, send: Any, path: str, content_type: str, body: bytes
) -> None:
    answer = client.post(path, content=send(body), headers={"Content-Type": content_type})

    assert (answer.status_code, answer.content) == (200, body)


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/jobs", {}),
        ("POST", "/jobs/job_1/cancel", {}),
        ("POST", "/jobs/job_1/cancel", {"Content-Type": "text/plain"}),
        ("DELETE", "/jobs/job_1", {"Transfer-Encoding": "chunked"}),
    ],
    ids=["get", "post", "post-with-a-type", "chunked-and-empty"],
)
def test_a_request_without_body_needs_no_rule(
    client: httpx.Client, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = client.request(method, path, headers=headers, content=b"")

    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        pytest.param(("GET", "/jobs", {}, LARGE), TOO_LARGE, id="C20-get-with-body"),
        pytest.param(("POST", "/nothing", {}, LARGE), TOO_LARGE, id="C21-unknown-path"),
        pytest.param(("PUT", "/jobs", JSON, b"{}"), TOO_LARGE, id="C21-unknown-method"),
        pytest.param(("POST", "/jobs/a/b/predict", JSON, b"[]"), TOO_LARGE, id="C21-deeper-path"),
        pytest.param(("POST", "/jobs", {}, b"{}"), WRONG_TYPE, id="C25-none"),
        pytest.param(("POST", "/jobs", {}, b""), WRONG_TYPE, id="C25-none-and-no-body"),
        pytest.param(("POST", "/jobs", typed("text/plain"), b"{}"), WRONG_TYPE, id="C25-text"),
        pytest.param(("POST", "/jobs", typed("application/xml"), b"<a/>"), WRONG_TYPE, id="C25-xml"),
        pytest.param(("POST", "/jobs", typed(FORM), LARGE), WRONG_TYPE, id="C25-form"),
        pytest.param(("POST", "/jobs", typed(f"{FORM}, application/json"), b"{}"), WRONG_TYPE, id="C25-list"),
        pytest.param(
            ("POST", "/jobs", typed("application/json; charset=latin-1"), b"{}"), WRONG_TYPE, id="C25-charset"
        ),
        pytest.param(
            ("POST", "/jobs", [*JSON.items(), *typed("text/plain").items()], b"{}"), WRONG_TYPE, id="C25-two"
        ),
        pytest.param(
            ("POST", "/jobs/1/predict", typed(FORM), b"a=1&" * MIB), WRONG_TYPE, id="C85-million-fields"
        ),
        pytest.param(("POST", "/jobs", coded("gzip"), LARGE), WRONG_CODING, id="C26-gzip"),
        pytest.param(("POST", "/jobs", coded("identity, br"), b"{}"), WRONG_CODING, id="C26-brotli"),
        pytest.param(("POST", "/jobs", JSON, b""), MALFORMED, id="C27-empty"),
        pytest.param(("POST", "/jobs", JSON, b"NaN"), MALFORMED, id="C29-nan"),
        pytest.param(("POST", "/jobs/1/predict", JSON, b"[" * MIB), MALFORMED, id="million-brackets"),
        pytest.param(("POST", "/jobs", JSON, b'{"a": 1, "a": 2}'), INVALID, id="duplicate"),
        pytest.param(("POST", "/jobs", JSON, b" " * 65_537), TOO_LARGE, id="C42-limit-and-1"),
        pytest.param(("POST", "/jobs", JSON, LARGE), TOO_LARGE, id="C42-11-mb"),
    ],
)
@pytest.mark.parametrize("send", [bytes, chunks], ids=["length", "chunked"])
def test_hostile_bodies_are_refused_with_a_problem_that_the_sender_can_read(
    client: httpx.Client, send: Any, request_: Any, refusal: tuple[int, str]
) -> None:
    method, path, headers, body = request_

    answer = client.request(method, path, headers=headers, content=send(body))

    assert (answer.status_code, answer.json()["code"]) == refusal
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) <= 4096
    assert CANARY not in answer.content


def test_a_client_that_posts_5_mb_to_a_64_kb_route_reads_the_413(port: int) -> None:
    head = (
        b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5242880\r\n\r\n"
    )

    assert answer_to(port, head + bytes(5 * MIB)) == TOO_LARGE


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        pytest.param(
            b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000000000000000000\r\n\r\n{}",
            TOO_LARGE,
            id="C4-length-of-10-to-the-18",
        ),
        pytest.param(
            b"GET /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n",
            TOO_LARGE,
            id="C20-announced-to-get",
        ),
        pytest.param(
            b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n",
            WRONG_TYPE,
            id="C25-announced-without-type",
        ),
        pytest.param(
            b"POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
            TOO_LARGE,
            id="C21-first-chunk",
        ),
        pytest.param(
            b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n10001\r\n" + b" " * 65_537 + b"\r\n",
            TOO_LARGE,
            id="C42-chunks-beyond-the-limit",
        ),
    ],
)
def test_a_refusal_does_not_wait_for_the_rest_of_the_body(
    port: int, sent: bytes, answer: tuple[int, str]
) -> None:
    assert answer_to(port, sent) == answer


def test_a_refused_sender_is_told_that_the_connection_closes(client: httpx.Client) -> None:
    answer = client.post("/nothing", content=LARGE)

    assert answer.headers["connection"] == "close"


def test_a_refusal_after_the_whole_body_keeps_the_connection(client: httpx.Client) -> None:
    answer = client.post("/jobs", content=b"{", headers=JSON)

    assert (answer.status_code, "connection" in answer.headers) == (400, False)


def test_a_415_names_the_accepted_types(client: httpx.Client) -> None:
    of_one = client.post("/jobs", content=b"x", headers={"Content-Type": "text/html"})
    of_many = client.post("/jobs/job_1/predict", content=b"x", headers={"Content-Type": "text/html"})

    assert [answer.json()["detail"] for answer in (of_one, of_many)] == [
        "The Content-Type must be application/json.",
        "The Content-Type must be one of: application/json, image/png, multipart/form-data.",
    ]


@pytest.mark.parametrize(
    ("method", "path", "detail"),
    [
        ("GET", "/jobs", "GET takes no body at this path; POST does."),
        ("POST", "/jobs/job_1/cancel", "POST takes no body at this path."),
    ],
)
@pytest.mark.parametrize("send", [bytes, chunks], ids=["length", "chunked"])
def test_who_sends_a_body_where_none_is_taken_reads_which_method_takes_one(
    client: httpx.Client, send: Any, method: str, path: str, detail: str
) -> None:
    answer = client.request(method, path, content=send(CANARY * 10))

    assert (answer.status_code, answer.json()["detail"]) == (413, detail)


def test_a_body_that_does_not_arrive_in_time_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.edge.problems.LINGER_SECONDS", 0.01)  # C16
    app = Problems(Bodies(echo, OPERATIONS, deadline_seconds=0.01))
    scope = post("/jobs", content_type="application/json", content_length="9")

    start, body, end = run(app, scope, {"type": "http.request", "body": b"{", "more_body": True})

    assert (start["status"], orjson.loads(body["body"])["code"]) == (408, "request-timeout")
    assert end == {"type": "http.response.body"}


def test_a_client_that_leaves_while_sending_gets_no_answer() -> None:
    app = Problems(Bodies(echo, OPERATIONS))
    scope = post("/jobs", content_type="application/json", content_length="9")
    begun = {"type": "http.request", "body": b"{", "more_body": True}

    assert run(app, scope, begun, {"type": "http.disconnect"}) == []


def test_after_the_body_the_app_hears_when_the_client_leaves() -> None:
    heard = []

    async def listen(_scope: Any, receive: Any, _send: Any) -> None:
        heard.extend([await receive(), await receive()])

    scope = post("/jobs", content_type="application/json", content_length="2")
    parts = [{"type": "http.request", "body": part, "more_body": part == b"{"} for part in (b"{", b"}")]

    run(Bodies(listen, OPERATIONS), scope, *parts, {"type": "http.disconnect"})

    assert heard == [{"type": "http.request", "body": b"{}", "more_body": False}, {"type": "http.disconnect"}]


def test_what_is_not_http_passes_untouched() -> None:
    async def note(scope: Any, _receive: Any, send: Any) -> None:
        await send(scope)

    assert run(Bodies(note, OPERATIONS), {"type": "lifespan"}) == [{"type": "lifespan"}]


@pytest.mark.parametrize("path", ["/jobsx", "/jobs/", "/xjobs", "/jobs%0A", "/jobs//predict"])
def test_a_rule_covers_exactly_its_path(client: httpx.Client, path: str) -> None:
    answer = client.post(path, content=b"[]", headers=JSON)

    assert answer.status_code == 413
