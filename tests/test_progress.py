"""What `normserve up` prints: its address, as soon as the service responds and not before."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service import progress
from service.progress import ProgressLine, in_words, line_of, responds
from service.settings import Settings
from service.store.database import Database
from service.store.queries import JobsLeft
from tests.process import free_port
from tests.store.rows import submit


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
    with ProgressLine(settings) as shown:
        shown.watch()
        before = capsys.readouterr().err
        with listening(settings.port):
            shown.watch()
            shown.watch()

    first, *more = capsys.readouterr().err.splitlines()
    assert before == "normserve is starting; its address follows as soon as it responds.\n"
    assert first == f"normserve responds at {settings.address}: train a first net from another terminal, with"
    assert more == [
        '  curl -d \'{"norm":"weight","init":true}\' -H \'content-type: application/json\' '
        f"{settings.address}/jobs",
        f"or open {settings.address}/docs, which describes the API.",
    ]


def test_the_address_is_a_log_line_where_logs_are_json(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    as_json = settings.model_copy(update={"log_format": "json"})

    with ProgressLine(as_json) as shown, listening(settings.port), capture_logs() as logs:
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
    assert line_of(["a"]) == "a"
    assert line_of(list("abcdef")) == "6 jobs train:  a  b  c  d"


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (JobsLeft(0, 0, 0), "no job was in training"),
        (JobsLeft(0, 0, 3), "no job was in training; 3 jobs waiting"),
        (JobsLeft(1, 0, 0), "1 job handed back, to go on at the next start"),
        (
            JobsLeft(16, 2, 1),
            "16 jobs handed back, to go on at the next start; "
            "2 jobs cut off, to go on from the last stored step; 1 job waiting",
        ),
    ],
)
def test_a_stop_says_in_words_what_it_leaves(left: JobsLeft, said: str) -> None:
    assert in_words(left) == said


def test_the_end_says_what_the_database_has(
    settings: Settings, sqlite: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(sqlite)
    mine = settings.model_copy(update={"database_url": sqlite.url.render_as_string(hide_password=False)})

    with ProgressLine(mine) as shown:
        shown.conclude()
    with ProgressLine(mine.model_copy(update={"log_format": "json"})) as shown, capture_logs() as logs:
        shown.conclude()

    assert capsys.readouterr().err.splitlines()[1:] == [
        "normserve has stopped: no job was in training; 1 job waiting."
    ]
    expected = {"event": "normserve stopped", "handed_back": 0, "cut_off": 0, "waiting": 1}
    assert logs == [{"log_level": "info", **expected}]
