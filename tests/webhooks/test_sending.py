"""An attempt to send: signed, to a checked address, in bounded time, with nothing followed or read."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from service.store.deliveries import ClaimedDelivery, DeliveryOutcome
from service.webhooks import sending
from service.webhooks.sending import Sender
from tests.receivers import receiving, write_certificate

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 # of the specification
LOOPBACK = [ip_network("127.0.0.0/8")]
NAME = "hooks.example.org"


def send(url: str, networks: Any = LOOPBACK, seconds: float = 30) -> DeliveryOutcome:
    claimed = ClaimedDelivery(1, 1, 1, "dlv_1", url, SECRET, '{"type":"ping","data":{"label":"ä"}}')
    return asyncio.run(Sender(networks, seconds).send(claimed, int(time.time())))


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Have names resolve to these addresses, one after the other; return a list of the names, as asked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def answer(host: str, *rest: Any, **options: Any) -> Any:
        asked.append(host)
        return real(addresses[min(len(asked), len(addresses)) - 1], *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def test_an_event_is_signed_as_standard_webhooks_says() -> None:
    with receiving() as receiver:
        outcome = send(f"http://127.0.0.1:{receiver.port}/hook?token=1")

    [message] = receiver.got
    assert (outcome.status, outcome.error) == (204, None)
    assert Verifier(SECRET).verify(message.body, message.headers) == {"type": "ping", "data": {"label": "ä"}}
    assert (message.path, message.id) == ("/hook?token=1", "dlv_1")
    assert {name: message.headers[name] for name in ("host", "content-type", "user-agent")} == {
        "host": f"127.0.0.1:{receiver.port}",
        "content-type": "application/json",
        "user-agent": "normserve",
    }


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "127.0.0.1.", "[::1]"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nothing_connects_to_a_private_address_however_it_is_written(host: str, scheme: str) -> None:
    with receiving() as receiver:
        outcome = send(f"{scheme}://{host}:{receiver.port}/", networks=())

    assert outcome.status is None
    assert outcome.error in {sending.NOT_ALLOWED, sending.NO_ADDRESS}
    assert receiver.connections == 0


def test_a_name_that_resolves_to_a_private_address_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with receiving() as receiver:
        resolve_to(monkeypatch, "127.0.0.1")
        outcome = send(f"https://{NAME}:{receiver.port}/", networks=())

    assert (outcome.error, receiver.connections) == (sending.NOT_ALLOWED, 0)


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as checked:
        asked = resolve_to(monkeypatch, "127.0.0.1", "127.0.0.2")  # a name that is rebound
        outcome = send(f"http://{NAME}:{checked.port}/", networks=[ip_network("127.0.0.1")])

    assert (outcome.status, len(checked.got), asked) == (204, 1, [NAME])
    assert checked.got[0].headers["host"] == f"{NAME}:{checked.port}"


def test_a_public_address_needs_https(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "8.8.8.8")

    assert send(f"http://{NAME}/").error == sending.NOT_ALLOWED


def test_a_second_address_is_tried_where_the_first_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        place = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        found = [(*place, (address, receiver.port)) for address in ("127.0.0.9", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

        assert send(f"http://{NAME}:{receiver.port}/").status == 204


def test_a_certificate_of_the_name_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path / "receiver.pem", NAME)
    with receiving(tls=certificate) as receiver:
        resolve_to(monkeypatch, "127.0.0.1")
        unknown = send(f"https://{NAME}:{receiver.port}/")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        trusted, misnamed = (send(f"https://{name}:{receiver.port}/") for name in (NAME, "other.example.org"))

    assert [unknown.error, trusted.error, misnamed.error] == [sending.UNTRUSTED, None, sending.UNTRUSTED]
    assert len(receiver.got) == 1


@pytest.mark.parametrize("status", [199, 302, 400, 404, 410, 500])
def test_every_other_status_is_a_failure_and_no_redirect_is_followed(status: int) -> None:
    with receiving() as inside, receiving(lambda _: status, f"http://127.0.0.1:{inside.port}/") as receiver:
        outcome = send(f"http://127.0.0.1:{receiver.port}/", seconds=5)

    assert outcome.error is not None
    assert (inside.connections, len(receiver.got)) == (0, 1)


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        send(f"http://127.0.0.1:{receiver.port}/")

    assert (proxy.connections, len(receiver.got)) == (0, 1)


def answering(*parts: bytes, endless: bytes = b"") -> tuple[int, Callable[[], None]]:
    """A server that sends these bytes to one connection, and then the endless ones until it is cut off."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with listener, connection:
            connection.recv(65_536)
            try:
                for part in parts:
                    connection.sendall(part)
                while endless:
                    connection.sendall(endless)
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    return int(listener.getsockname()[1]), thread.join


@pytest.mark.parametrize(
    ("parts", "endless", "error"),
    [
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",), b"x" * 65_536, None),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",), b"1\r\nx\r\n", None),
        ((b"HTTP/1.1 200 OK\r\n",), b"x: y\r\n" * 100, sending.BROKEN),
        ((b"nonsense\r\n\r\n",), b"", sending.BROKEN),
        ((), b"", sending.BROKEN),
    ],
    ids=["long body", "endless body", "endless head", "no HTTP", "nothing"],
)
def test_a_response_that_does_not_end_is_not_read(
    parts: tuple[bytes, ...], endless: bytes, error: str | None
) -> None:
    port, wait = answering(*parts, endless=endless)

    outcome = send(f"http://127.0.0.1:{port}/")
    wait()

    assert outcome.error == error


def test_a_receiver_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        outcome = send(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.1)

    assert (outcome.status, outcome.error) == (None, sending.SILENT)


def test_a_port_where_nobody_listens_and_a_name_without_address_are_failures() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    assert send(f"http://127.0.0.1:{port}/").error == sending.REFUSED
    assert send(f"http://{'x' * 64}.invalid/").error == sending.NO_ADDRESS
