"""Heads over raw sockets: what is large, many, slow or smuggled is refused or disconnected at little cost."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.client import HTTPResponse

import httpx
import orjson
import psutil
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse

from service.edge import heads
from service.edge.heads import LimitedHeads
from service.edge.hosts import Hosts
from service.edge.problems import Problems
from service.edge.safe_headers import SAFE_HEADERS, SafeHeaders
from service.settings import Settings
from tests.edge.hostile_heads import (
    ALLOWED,
    CANARY,
    CHUNKED,
    ENDLESS,
    HEADS,
    LINE,
    OPENING,
    UNENDED,
    many,
)

MIB = 2**20
SAFE = {(name.decode(), value.decode()) for name, value in SAFE_HEADERS}
MOST_BYTES = 200 * MIB
MOST_GROWN_BYTES = 64 * MIB
PATIENCE_SECONDS = 30


class Impatient(LimitedHeads):
    head_seconds = 0.3


async def show(scope, receive, send):  # type: ignore[no-untyped-def] # ASGI
    """Respond with the size of the body and the headers as the app has them afterwards."""
    body = await Request(scope, receive).body()
    names = [name.decode() for name, _ in scope["headers"]]
    seen = {"body": len(body), "names": names, "path": scope["path"]}
    await JSONResponse(seen)(scope, receive, send)


def serving(protocol: type[LimitedHeads]) -> Iterator[int]:
    app = SafeHeaders(Problems(Hosts(show, Settings().host_names)))
    config = uvicorn.Config(
        app, http=protocol, lifespan="off", ws="none", log_config=None, server_header=False
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    yield from serving(LimitedHeads)


@pytest.fixture(scope="module")
def impatient() -> Iterator[int]:
    yield from serving(Impatient)


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)


def read(connection: socket.socket) -> tuple[int, str]:
    """Return the status of a response, and the code of a problem."""
    response = HTTPResponse(connection)
    response.begin()
    body = response.read()
    assert len(body) <= 4096
    assert CANARY not in body
    assert response.headers["Server"] is None
    assert {*response.getheaders()} >= SAFE
    is_problem = response.headers["Content-Type"] == "application/problem+json"
    return response.status, orjson.loads(body)["code"] if is_problem else ""


def exchange(port: int, *pieces: bytes) -> tuple[int, str]:
    with connected(port) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return read(connection)


def is_closed(connection: socket.socket) -> bool:
    """Wait until the server has closed; a response before that is no matter."""
    with suppress(ConnectionError):
        while connection.recv(65_536):
            pass
    return True


@pytest.mark.parametrize(("sent", "refusal"), HEADS.values(), ids=list(HEADS))
def test_a_hostile_head_is_refused(port: int, sent: bytes, refusal: tuple[int, str]) -> None:
    assert exchange(port, sent) == refusal


@pytest.mark.parametrize("sent", ALLOWED.values(), ids=list(ALLOWED))
def test_a_head_at_the_limits_is_served(port: int, sent: bytes) -> None:
    assert exchange(port, sent) == (200, "")
    assert exchange(port, *(sent[start : start + 1_000] for start in range(0, len(sent), 1_000))) == (200, "")


def test_many_requests_in_one_piece_are_served(port: int) -> None:
    """They have more headers together than one may have."""
    with connected(port) as connection:
        connection.sendall((OPENING + many(60) + b"\r\n") * 29)
        connection.sendall(OPENING + b"Connection: close\r\n\r\n")

        assert b"".join(iter(partial(connection.recv, 65_536), b"")).count(b"HTTP/1.1 200 OK") == 30


@pytest.mark.slow
def test_a_body_may_be_larger_than_a_head(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        whole = client.post("/", content=bytes(MIB))
        chunks = client.post("/", content=(b"a" * 3 for _ in range(20_000)))

    assert (whole.json()["body"], chunks.json()["body"]) == (MIB, 60_000)


def test_a_trailer_does_not_become_a_header(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(CHUNKED + b"Host: evil.example\r\nx-late: 1\r\n\r\n")
        response = HTTPResponse(connection)
        response.begin()

        assert orjson.loads(response.read())["names"] == ["host", "transfer-encoding"]


def flood(port: int, opening: bytes, piece: bytes, n_bytes: int) -> int:
    """Send bytes until the server closes, with honest requests meanwhile; return how many went."""
    sent = 0
    address = f"http://127.0.0.1:{port}/livez"
    with connected(port) as connection, httpx.Client() as honest, suppress(ConnectionError):
        connection.sendall(opening)
        while sent < n_bytes:
            connection.sendall(piece)
            sent += len(piece)
            if sent % MIB == 0:
                assert honest.get(address).status_code == 200
    return sent


@pytest.mark.parametrize(("opening", "piece"), ENDLESS.values(), ids=list(ENDLESS))
def test_a_head_without_end_costs_no_memory(port: int, opening: bytes, piece: bytes) -> None:
    """C120: 200 MB if the server reads them; the client is a part of this process."""
    process = psutil.Process()
    before = process.memory_info().rss

    sent = flood(port, opening, piece, MOST_BYTES)

    assert sent < MOST_BYTES
    assert process.memory_info().rss - before <= MOST_GROWN_BYTES


@pytest.mark.parametrize("sent", UNENDED.values(), ids=list(UNENDED))
@pytest.mark.parametrize("served", [False, True], ids=["first", "after a request"])
def test_a_head_that_does_not_end_is_disconnected(impatient: int, sent: bytes, served: bool) -> None:
    with connected(impatient) as connection:
        if served:
            connection.sendall(OPENING + b"\r\n")
            read(connection)
            sent = sent or b"G"
        connection.sendall(sent)

        assert is_closed(connection)


def test_half_a_head_behind_a_request_is_disconnected(impatient: int) -> None:
    with connected(impatient) as connection:
        connection.sendall(OPENING + b"\r\n" + LINE)

        assert is_closed(connection)


def test_a_head_that_trickles_is_disconnected(impatient: int) -> None:
    """Each byte comes soon after the last, for as long as the server listens."""
    with connected(impatient) as connection:
        connection.settimeout(0.02)
        assert trickled_until_closed(connection)


def trickled_until_closed(connection: socket.socket) -> bool:
    with suppress(ConnectionError):
        for byte in OPENING + b"x: " + b"a" * 1_000:
            connection.sendall(bytes([byte]))
            with suppress(TimeoutError):
                if connection.recv(1) == b"":
                    return True
        return False
    return True


def test_an_idle_connection_outlives_the_time_for_a_head(impatient: int) -> None:
    """It waits for the next request, which browsers and proxies may send much later."""
    with connected(impatient) as connection:
        connection.sendall(OPENING + b"\r\n")
        read(connection)
        connection.settimeout(4 * Impatient.head_seconds)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(PATIENCE_SECONDS)
        connection.sendall(OPENING + b"\r\n")

        assert read(connection) == (200, "")


def test_the_time_for_a_head_is_at_most_ten_seconds() -> None:
    assert heads.HEAD_SECONDS + heads.LINGER_SECONDS <= 10
