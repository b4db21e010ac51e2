"""A mirror of a data set on this machine: it serves the vendored MNIST under another name."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from models.data import originals
from models.specs.datasets import Dataset

PACKED = {f"{name}.gz": (originals.VENDORED / f"{name}.gz").read_bytes() for name in originals.FILES}


class Whole(BaseHTTPRequestHandler):
    """Serves every file as it is."""

    share: ClassVar[float] = 1

    def do_GET(self) -> None:
        content = PACKED[self.path[1:]]
        with suppress(ConnectionError):  # torchvision asks once without reading the answer
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: int(self.share * len(content))])

    def log_message(self, *_: object) -> None:
        pass


class Half(Whole):
    """Closes the connection when half of a file is sent."""

    share = 0.5


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@contextmanager
def silent() -> Iterator[str]:
    """A mirror that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def closed() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/"


def use(monkeypatch: pytest.MonkeyPatch, dataset: Dataset, url: str) -> None:
    """Let torchvision fetch a data set from this address alone, and expect the vendored MNIST there."""
    kind = originals.torchvision_class(dataset)
    sums = [
        (name, hashlib.md5(content, usedforsecurity=False).hexdigest()) for name, content in PACKED.items()
    ]
    monkeypatch.setattr(kind, "mirrors", [url])
    monkeypatch.setattr(kind, "resources", sums)
    monkeypatch.setenv("no_proxy", "*")
