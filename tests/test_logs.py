"""The logs of a whole service: JSON from the first line to the last, and no warning without a fault."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.logs import count_items, put_plainly, shorten_request
from tests.process import PATIENCE_SECONDS, Service, start, until
from tests.runs import ENDLESS


@pytest.fixture
def service(service_data: Path, tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path, service_data, NORMSERVE_LOG_FORMAT="json")
    service.start()
    yield service
    service.close()


def test_every_line_of_a_service_is_json_and_none_warns_when_all_is_well(service: Service) -> None:
    job_id = service.submit(**ENDLESS)
    service.moving(job_id)
    service.cancel(job_id)
    service.finished(service.submit(steps=1))
    service.ask_to_end()
    assert service.exit_code() == 0

    lines: list[dict[str, Any]] = [json.loads(line) for line in service.log.read_text().splitlines()]

    assert [line for line in lines if line["level"] not in {"debug", "info"}] == []
    assert [line["address"] for line in lines if line["event"] == "normserve responds"] == [
        str(service.client.base_url)
    ]
    assert {"request", "training cancelled", "training ended"} <= {line["event"] for line in lines}


def test_every_line_of_a_dispatcher_alone_is_json(
    service_data: Path, tmp_path: Path, sqlite_url: str
) -> None:
    (tmp_path / "datasets").mkdir()
    shutil.copy(service_data / "mnist.safetensors", tmp_path / "datasets")
    log = tmp_path / "log"
    chosen = ["--data-dir", str(tmp_path), "--database-url", sqlite_url, "--workers", "1"]

    with log.open("wb") as file:
        process = start(["dispatch", *chosen], {**os.environ, "NORMSERVE_LOG_FORMAT": "json"}, file)
        until(lambda: "dispatcher ready" in log.read_text(), "the dispatcher")
        children = process.children(recursive=True)
        process.terminate()
        psutil.wait_procs([process, *children], PATIENCE_SECONDS)  # one of them prints when it ends

    assert {json.loads(line)["level"] for line in log.read_text().splitlines()} == {"info"}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["job_a"], "job_a"),
        (["job_a", "job_b"], 2),
        ([1, 1], 1),
        ([1, 3, 2], "1 to 3"),
        ([], 0),
        ("all", "all"),
    ],
)
def test_a_line_for_people_has_no_long_lists(given: object, shown: object) -> None:
    assert count_items(None, "info", {"jobs": given}) == {"jobs": shown}


REQUEST = {
    "event": "request",
    "level": "info",
    "timestamp": "2026-11-28T00:00:00Z",
    "request_id": "req_a",
    "trace_id": "4b",
    "method": "GET",
    "path": "/jobs",
    "seconds": 0.00125,
    "job": "job_a",
}
KEPT = {"level": "info", "timestamp": "2026-11-28T00:00:00Z"}


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ({"status": 200}, {"event": "GET /jobs 200 1.2 ms"}),
        ({"status": 422, "code": "a"}, {"event": "GET /jobs 422 1.2 ms", "code": "a"}),
        ({"status": 500, "code": "a"}, {"event": "GET /jobs 500 1.2 ms", "code": "a", "request_id": "req_a"}),
        ({"status": None}, {"event": "GET /jobs left 1.2 ms"}),
    ],
    ids=["fine", "refused", "failed", "left"],
)
def test_a_request_is_one_short_line_for_people(more: dict[str, Any], shown: dict[str, Any]) -> None:
    assert shorten_request(None, "info", {**REQUEST, **more}) == {**KEPT, **shown}


def test_other_lines_for_people_stay_as_they_are() -> None:
    line = {**REQUEST, "event": "training"}

    assert shorten_request(None, "info", line) == line


@pytest.mark.parametrize(("level", "is_logged"), [(logging.DEBUG, True), (logging.INFO, False)])
def test_an_error_of_dask_that_ours_explains_is_for_debugging_only(
    monkeypatch: pytest.MonkeyPatch, level: int, is_logged: bool
) -> None:
    monkeypatch.setattr(logging.getLogger(), "level", level)
    said = "Task %s marked as failed because %d workers died while trying to run it"
    lost, restart, other = (
        logging.LogRecord("distributed", logging.ERROR, "", 1, message, (), None)
        for message in (said, "Restarting worker (status=Status.running)", "another error")
    )

    assert (put_plainly(lost), lost.levelname) == (is_logged, "DEBUG")
    assert (put_plainly(restart), restart.getMessage()) == (True, "a worker died; another one starts")
    assert (put_plainly(other), other.levelname) == (True, "ERROR")


CODE = """
import sys, threading, warnings
from service.logs import configure_logs
from service.settings import Settings

configure_logs(Settings())
import distributed, logging
warnings.warn("a warning of a library")
logging.getLogger("distributed.core").warning("from Dask")
logging.getLogger("distributed.core").info("told to nobody")
failing = threading.Thread(target=lambda: 1 / 0)
failing.start()
failing.join()
raise KeyError("a bug")
"""


@pytest.mark.slow
def test_lines_of_libraries_and_tracebacks_are_json_too(tmp_path: Path) -> None:
    environment = {**os.environ, "NORMSERVE_LOG_FORMAT": "json", "NORMSERVE_DATA_DIR": str(tmp_path)}

    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    warned, from_dask, failed, raised = map(json.loads, done.stderr.splitlines())
    assert (done.returncode, "a warning of a library" in warned["event"]) == (1, True)
    assert (from_dask["event"], from_dask["level"]) == ("from Dask", "warning")
    assert ["ZeroDivisionError" in failed["exception"], "KeyError" in raised["exception"]] == [True, True]
