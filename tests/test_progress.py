"""What `normserve up` prints: its address, as soon as the service responds and not before."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service import progress
from service.progress import Progress, line_of, responds
from service.settings import Settings
from tests.process import free_port


class Live(BaseHTTPRequestHandler):
    """Responds to /livez as the api does, or with the status of its server."""

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/livez" else 404)  # type: ignore[attr-defined] # set below
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def listening(port: int, status: int = 200) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", port), Live)
    server.status = status  # type: ignore[attr-defined] # for the handler above
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(progress, "RESPONSE_SECONDS", 5.0)  # on a busy machine
    return Settings(data_dir=tmp_path, port=free_port(), log_format="text")


def test_a_port_where_nobody_listens_does_not_respond(settings: Settings) -> None:
    assert responds(settings) is False


@pytest.mark.parametrize(("status", "found"), [(200, True), (404, False), (503, False)])
def test_a_service_responds_once_it_is_live(settings: Settings, status: int, found: bool) -> None:
    with listening(settings.port, status):
        assert responds(settings) is found


def test_the_address_is_printed_once_when_the_service_responds(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress(settings) as shown:
        shown.watch()
        before = capsys.readouterr().err
        with listening(settings.port):
            shown.watch()
            shown.watch()

    first, *more = capsys.readouterr().err.splitlines()
    assert before == "normserve is starting; its address follows as soon as it responds.\n"
    assert first == f"normserve responds at {settings.address}: train a first net from another terminal, with"
    assert more == [
        '  curl -sf -d \'{"norm":"weight","init":true}\' -H \'content-type: application/json\' '
        f"{settings.address}/jobs",
        f"or open {settings.address}/docs, which describes the API.",
    ]


def test_the_address_is_a_log_line_where_logs_are_json(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    as_json = settings.model_copy(update={"log_format": "json"})

    with Progress(as_json) as shown, listening(settings.port), capture_logs() as logs:
        shown.watch()
        shown.watch()

    assert logs == [
        {
            "event": "normserve responds",
            "log_level": "info",
            "address": settings.address,
            "docs": f"{settings.address}/docs",
        }
    ]
    assert capsys.readouterr().err == ""


def test_the_line_of_running_jobs_describes_a_few() -> None:
    assert line_of(["a", "b"]) == "a  b"
    assert line_of(list("abcdef")) == "a  b  c  d  and 2 more"
