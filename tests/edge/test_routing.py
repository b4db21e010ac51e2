"""Before a body is read: the prefix, HEAD, and the paths and methods that there are."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import JSONResponse, StreamingResponse

from service.edge.operations import Operation, Operations, own_path
from service.edge.problems import Problems
from service.edge.routing import Head, KnownPaths, Prefix
from service.links import link


async def show(scope: Any, receive: Any, send: Any) -> None:
    """Respond with what the app sees."""
    seen = [scope["path"], scope.get("root_path", ""), own_path(scope), link("/jobs")]
    await JSONResponse(seen)(scope, receive, send)


def get(app: Any, path: str, method: str = "GET", **more: Any) -> list[Any]:
    """Return what the app sends; the client reads the whole response and then closes."""
    sent: list[Any] = []
    complete = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await complete.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            complete.set()

    scope = {"type": "http", "method": method, "path": path, "headers": [], **more}
    asyncio.run(app(scope, receive, send))
    return sent


def header(sent: list[Any], name: bytes) -> bytes | None:
    return dict(sent[0]["headers"]).get(name)


@pytest.mark.parametrize(
    ("prefix", "path", "seen"),
    [
        ("", "/jobs", b'["/jobs","","/jobs","/jobs"]'),
        ("/norm", "/jobs", b'["/norm/jobs","/norm","/jobs","/norm/jobs"]'),
        ("/norm", "/norm/jobs", b'["/norm/jobs","/norm","/jobs","/norm/jobs"]'),
        ("/norm", "/normal", b'["/norm/normal","/norm","/normal","/norm/jobs"]'),
        ("/norm", "/norm", b'["/norm/","/norm","/","/norm/jobs"]'),
        ("/a/b", "/a/b/livez", b'["/a/b/livez","/a/b","/livez","/a/b/jobs"]'),
    ],
    ids=["none", "removed", "kept", "a longer name", "nothing else", "of two parts"],
)
def test_a_path_is_below_the_prefix_whether_the_proxy_removes_it_or_not(
    prefix: str, path: str, seen: bytes
) -> None:
    assert get(Prefix(show, prefix), path)[1]["body"] == seen


def test_a_prefix_ends_with_its_request() -> None:
    get(Prefix(show, "/norm"), "/jobs")

    assert link("/jobs") == "/jobs"


def test_head_is_get_without_the_body() -> None:
    [start, *rest] = get(Head(show), "/jobs", "HEAD")

    assert start == get(Head(show), "/jobs")[0]
    assert header([start], b"content-length") == b"28"
    assert rest == [{"type": "http.response.body"}]


def test_head_of_a_stream_reads_little_of_it() -> None:
    read = []

    async def count() -> AsyncIterator[bytes]:
        for number in range(100_000):
            read.append(number)
            yield b"x"
            await asyncio.sleep(0)

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await StreamingResponse(count())(scope, receive, send)

    sent = get(Head(stream), "/jobs", "HEAD", asgi={"spec_version": "2.3"})

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert len(read) < 1000


def known() -> list[Operation]:
    return [Operation("POST", "/jobs"), Operation("PATCH", "/jobs/{id}"), Operation("GET", "/jobs")]


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/jobs/", b"There is nothing at this path. No path ends with a slash."),
        ("/jobs/1/", b"There is nothing at this path. No path ends with a slash."),
        ("/none/", b"There is nothing at this path."),
        ("/", b"There is nothing at this path."),
    ],
)
def test_a_slash_at_the_end_of_a_path_is_named(path: str, detail: bytes) -> None:
    sent = get(Problems(KnownPaths(show, Operations(known))), path)

    assert b'"detail":"%s"' % detail in sent[1]["body"]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/jobs", 200, None),
        ("PATCH", "/jobs/1", 200, None),
        ("TRACE", "/jobs", 405, b"GET, HEAD, POST"),
        ("BREW", "/jobs/1", 405, b"PATCH"),
        ("GET", "/jobs/", 404, None),
        ("BREW", "/jobs/1/2", 404, None),
        ("GET", "", 404, None),
        ("OPTIONS", "*", 404, None),
    ],
)
def test_unknown_paths_and_methods_are_refused(
    method: str, path: str, status: int, allow: bytes | None
) -> None:
    sent = get(Problems(KnownPaths(show, Operations(known))), path, method)

    assert (sent[0]["status"], header(sent, b"allow")) == (status, allow)
