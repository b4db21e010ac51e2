"""Clients that never finish a request do not slow down the others, and are disconnected."""

import socket
import time
from contextlib import ExitStack
from statistics import quantiles

import httpx
import pytest

from tests.fixtures import Figure
from tests.process import PATIENCE_SECONDS, Service, until

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("many_files")]

CLIENTS = 900
HALVES = [
    b"",
    b"GET /jo",
    b"GET /jobs HTTP/1.1\r\nHost: localhost\r\nx: ",
    b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
]
MOST_SECONDS = 300
"""Ten times the time in which slow bodies are refused: only a hang takes that long."""


def is_closed(connection: socket.socket) -> bool:
    """Return whether the server has closed; read what it has sent before."""
    try:
        while connection.recv(65_536):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


def timed(client: httpx.Client) -> tuple[float, int]:
    began = time.perf_counter()
    status = client.get("/jobs").status_code
    return time.perf_counter() - began, status


def test_half_open_connections_do_not_slow_the_others(service: Service, figure: Figure) -> None:
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", service.port), PATIENCE_SECONDS))
            for _ in range(CLIENTS)
        ]
        for n, connection in enumerate(slow):
            connection.sendall(HALVES[n % len(HALVES)])
            connection.setblocking(False)
        began, honest = time.monotonic(), [timed(service.client)]
        while slow:
            honest.append(timed(service.client))
            slow = [connection for connection in slow if not is_closed(connection)]
            assert time.monotonic() - began <= MOST_SECONDS
        seconds = time.monotonic() - began

    until(service.ready, "the api to be ready")
    slowest = 1000 * quantiles([each for each, _ in honest], n=100, method="inclusive")[-1]
    figure(f"ms of requests beside {CLIENTS} slow clients, p99", round(slowest, 1), "500")
    figure(f"seconds until {CLIENTS} slow clients are disconnected", round(seconds, 1), "30")
    assert {status for _, status in honest} == {200}
