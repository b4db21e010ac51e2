"""An orderly end: training is handed back after its span, requests are answered, and no step is repeated."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from models.data.digits import Digits
from tests.event_clients import streams
from tests.fixtures import Figure
from tests.process import PATIENCE_SECONDS, Service, until
from tests.runs import SMALL, assert_invariants, is_asked_back, outcome, reasons_of, undisturbed

LONGEST = {"norm": "weight", "init": True, "n_units": 512, "steps": 10_000, "eval_every": 10_000}
STOPS = 10
IN_FLIGHT, STREAMS = 20, 50
LAST_CHUNK = b"0\r\n\r\n"
"""How a streamed response ends in order."""


@pytest.fixture
def service(service: Service) -> Iterator[Service]:
    """The invariants hold after each test."""
    yield service
    assert_invariants(service.database_url)


def why_children_ended(service: Service) -> list[tuple[str, str]]:
    """Which processes the supervisor has started again, and how they had ended."""
    lines = [json.loads(line) for line in service.said().splitlines() if line.startswith(b"{")]
    return [(line["process"], line["why"]) for line in lines if line["event"] == "a process died"]


def child(service: Service, command: str) -> psutil.Process:
    """The child that runs this command, once it does."""
    return until(lambda: service.child(command), f"{command} to run")


def stop_dispatcher(service: Service, job_ids: list[str]) -> float:
    """Ask the dispatcher to end while all of these jobs move; answer the seconds that it took."""
    [service.moving(job_id, beyond=service.job(job_id)["progress"]["step"]) for job_id in job_ids]
    dispatcher = child(service, "dispatch")
    began = time.monotonic()
    dispatcher.send_signal(signal.SIGTERM)
    dispatcher.wait(PATIENCE_SECONDS)
    return time.monotonic() - began


@pytest.mark.long
def test_a_dispatcher_that_is_asked_to_end_again_and_again_repeats_no_step(
    service: Service, digits: Digits, figure: Figure
) -> None:
    """A job that is handed back has just stored its span: what it goes on from is its last step."""
    specs = [{**LONGEST, "seed": seed} for seed in range(2)]
    job_ids = [service.submit(**spec) for spec in specs]

    seconds = [stop_dispatcher(service, job_ids) for _ in range(STOPS)]

    ended = [outcome(service, job_id) for job_id in job_ids]
    handed_back = ["submitted", *["claimed", "handed back to stop"] * STOPS, "claimed", "finished"]
    figure(f"seconds of the slowest of {STOPS} ends of the dispatcher", round(max(seconds), 2), "10")
    assert [reasons_of(service, job_id) for job_id in job_ids] == [handed_back] * 2
    assert ended == [undisturbed(digits, spec) for spec in specs]
    assert why_children_ended(service) == [("dispatch", "exit code 0")] * STOPS


def test_a_dispatcher_that_is_asked_twice_ends_at_once(service: Service, digits: Digits) -> None:
    """Its workers are paused: it would wait for them for some seconds, and then end with exit code 0."""
    [job_id] = service.held(SMALL)
    workers, dispatcher = service.workers(), child(service, "dispatch")
    for worker in workers:
        worker.suspend()

    dispatcher.send_signal(signal.SIGTERM)
    until(lambda: b"dispatcher stops" in service.said(), "the dispatcher to hear it")
    until(lambda: ended_when_asked(service, dispatcher), "the dispatcher to end")
    service.release()
    for worker in workers:
        if worker.is_running():
            worker.resume()

    assert why_children_ended(service) == [("dispatch", "signal SIGTERM")]
    assert outcome(service, job_id) == undisturbed(digits, SMALL)


def ended_when_asked(service: Service, process: psutil.Process) -> bool:
    """Ask again: two signals may reach it as one."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGTERM)
    return bool(why_children_ended(service))


def test_all_processes_may_be_asked_at_once(service: Service, digits: Digits) -> None:
    """As an init system does; then the supervisor asks its children."""
    [job_id], posting = service.held(SMALL), Posting(service)

    for process in service.processes():
        process.send_signal(signal.SIGTERM)
    until(lambda: not listens(service), "the api to take no more requests")
    status, _ = posting.finish()
    until(lambda: is_asked_back(service, job_id), "the job to be asked back")
    service.release()
    code = service.exit_code()
    service.start()

    assert (status, code) == (201, 0)
    assert outcome(service, job_id) == undisturbed(digits, SMALL)
    assert reasons_of(service, job_id)[:3] == ["submitted", "claimed", "handed back to stop"]


HEAD = (
    "{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "Content-Length: {size}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
)
BODY = json.dumps({"steps": 1}).encode()


class Posting:
    """A request to submit a job, of which the api has read the head and waits for the body."""

    def __init__(self, service: Service) -> None:
        self.socket = socket.create_connection(("127.0.0.1", service.port), PATIENCE_SECONDS)
        self.socket.sendall(HEAD.format(line="POST /jobs", size=len(BODY)).encode())
        self.stream = self.socket.makefile("rb")
        assert self.stream.readline().split()[1] == b"100"
        self.stream.readline()

    def finish(self) -> tuple[int, str]:
        """Send the rest; answer the status and the id."""
        self.socket.sendall(BODY)
        head, _, body = self.stream.read().partition(b"\r\n\r\n")
        self.give_up()
        return int(head.split()[1]), json.loads(body).get("id", "")

    def give_up(self) -> None:
        self.stream.close()
        self.socket.close()


def test_an_api_that_is_asked_to_end_answers_its_requests_and_ends_its_streams(
    service: Service, figure: Figure
) -> None:
    before = jobs_of(service)
    api = child(service, "api")
    open_streams = streams(service, ["/events"] * STREAMS)
    posting = [Posting(service) for _ in range(IN_FLIGHT)]

    began = time.monotonic()
    api.send_signal(signal.SIGTERM)
    until(lambda: b"api stops" in service.said(), "the api to take no more requests")
    ends = [stream.end()[-len(LAST_CHUNK) :] for stream in open_streams]
    answers = [request.finish() for request in posting]
    until(lambda: why_children_ended(service), "the api to end")
    figure(f"seconds until an api with {STREAMS} streams ended", round(time.monotonic() - began, 2), "10")
    until(service.ready, "another api")

    assert ends == [LAST_CHUNK] * STREAMS

    assert [status for status, _ in answers] == [201] * IN_FLIGHT
    assert {job_id for _, job_id in answers} == jobs_of(service) - before
    assert why_children_ended(service) == [("api", "exit code 0")]


def jobs_of(service: Service) -> set[str]:
    return {job["id"] for job in service.client.get("/jobs?limit=200").json()["items"]}


def test_an_api_that_is_asked_twice_ends_at_once(service: Service) -> None:
    """It would wait for a request that it has for some seconds, and then end with exit code 0."""
    api, posting = child(service, "api"), Posting(service)

    api.send_signal(signal.SIGTERM)
    until(lambda: b"api stops" in service.said(), "the api to take no more requests")
    until(lambda: ended_when_asked(service, api), "the api to end")

    posting.give_up()
    assert why_children_ended(service) == [("api", "signal SIGTERM")]


def listens(service: Service) -> bool:
    """Whether a new connection is taken."""
    try:
        socket.create_connection(("127.0.0.1", service.port), PATIENCE_SECONDS).close()
    except ConnectionRefusedError:
        return False
    return True
