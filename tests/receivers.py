"""Receivers of webhooks: they verify what they get, and respond as they are asked to."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Message(NamedTuple):
    """What a receiver got: the path, the headers with small letters, and the body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> tuple[str, str]:
        """The type of the event and the id of what it happened to."""
        payload = json.loads(self.body)
        return payload["type"], payload["data"]["id"]


Respond = Callable[[Message], int]


class Receiver(ThreadingHTTPServer):
    """Responds to every message with the status that `respond` returns, 302 with a Location."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, respond: Respond, location: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.respond = respond
        self.location = location
        self.got: list[Message] = []
        self.connections = 0

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of senders that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:  # the interface of http.server
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        message = Message(self.path, headers, body)
        self.server.got.append(message)
        status = self.server.respond(message)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.server.location)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def receiving(
    respond: Respond = lambda _: 204, location: str = "", port: int = 0, tls: Path | None = None
) -> Iterator[Receiver]:
    """Receive on 127.0.0.1, with TLS if there is a file with a certificate and its key."""
    receiver = Receiver(respond, location, port)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    serving = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    serving.start()
    try:
        yield receiver
    finally:
        receiver.shutdown()
        receiver.server_close()
        serving.join()


def write_certificate(file: Path, name: str) -> Path:
    """Write a certificate for a host, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return file
