"""The api behind nginx and Caddy, as the docs configure them: over TLS, under a name and a prefix."""

import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import trained_file  # noqa: F401 # a fixture of several rooms
from tests.pages import ROOT
from tests.process import PATIENCE_SECONDS, free_port, until
from tests.proxies import NAME, PREFIX, caddy, nginx, running
from tests.web.serving import Server

pytestmark = pytest.mark.slow

MIB = 2**20


class Named(httpx.HTTPTransport):
    """Asks this machine as if it had the public name."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = NAME
        request.headers["Host"] = NAME
        return super().handle_request(request)


@pytest.fixture(scope="module")
def server(trained_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:  # noqa: F811
    folder = tmp_path_factory.mktemp("behind")
    url = f"sqlite:///{shutil.copy(trained_file, folder / 'normserve.db')}"
    with Server(url, folder, hosts=NAME, root_path=PREFIX) as server:
        yield server


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def port(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    folder, port = tmp_path_factory.mktemp("proxy"), free_port()
    command: Callable[[Path, str, int], list[str]] = request.param
    with running(command(folder, server.address.removeprefix("http://"), port), folder):
        until(lambda: is_open(port), "the proxy")
        yield port


def is_open(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def client(port: int) -> Iterator[httpx.Client]:
    address = f"https://127.0.0.1:{port}{PREFIX}"
    with httpx.Client(base_url=address, transport=Named(verify=False), timeout=PATIENCE_SECONDS) as client:
        yield client


@pytest.fixture
def job(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/jobs?status=succeeded").json()["items"][0]
    return found


def test_a_picture_is_predicted_below_the_prefix(client: httpx.Client, job: dict[str, Any]) -> None:
    seven = (ROOT / "docs" / "seven.png").read_bytes()

    answer = client.post(f"/jobs/{job['id']}/predict", files={"file": seven})

    assert job["links"]["self"] == f"{PREFIX}/jobs/{job['id']}"
    assert answer.json()["predictions"][0]["digit"] == 7
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_events_come_while_their_stream_goes_on(client: httpx.Client) -> None:
    job_id = client.post("/jobs", json={}).json()["id"]

    with client.stream("GET", f"/jobs/{job_id}/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: status"
        client.post(f"/jobs/{job_id}/cancel")
        assert "event: done" in lines


def test_a_table_comes_whole(client: httpx.Client, job: dict[str, Any]) -> None:
    with client.stream("GET", f"/jobs/{job['id']}/metrics.csv") as stream:
        rows = list(stream.iter_lines())

    assert len(rows) == 1 + job["steps"]


def test_a_large_body_is_refused_by_normserve_and_a_larger_one_by_the_proxy(
    client: httpx.Client, job: dict[str, Any]
) -> None:
    path, headers = f"/jobs/{job['id']}/predict", {"Content-Type": "image/png"}
    refused = client.post(path, content=bytes(16 * MIB + 1), headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (413, "payload-too-large")
    assert client.post(path, content=bytes(18 * MIB), headers=headers).status_code == 413


def test_what_a_client_says_of_itself_is_replaced(client: httpx.Client) -> None:
    forged = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "6.6.6.6"}

    page = client.get("/ui/jobs", headers=forged).text

    assert f"https://{NAME}{PREFIX}/jobs" in page
    assert "evil.example" not in page


def test_a_body_that_does_not_come_ends_the_connection(port: int) -> None:
    head = f"POST {PREFIX}/jobs HTTP/1.1\r\nHost: {NAME}\r\nContent-Type: application/json\r\n"
    context = ssl._create_unverified_context()  # noqa: S323 # the certificate is ours
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as connection,
    ):
        connection.sendall(f"{head}Content-Length: 9\r\n\r\n{{".encode())

        while connection.recv(65_536):
            pass


def test_a_foreign_name_is_not_served(port: int) -> None:
    address, name = f"https://127.0.0.1:{port}{PREFIX}/version", {"Host": "evil.example"}
    with httpx.Client(verify=False) as client:  # noqa: S501 # the certificate is ours
        answer = client.get(address, headers=name, extensions={"sni_hostname": NAME})

    assert "torch" not in answer.text
