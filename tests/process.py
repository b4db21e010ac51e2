"""A real `normserve up` on a free port, with its processes in sight."""

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, TypeVar

import httpx
import psutil

from tests import zygote

PATIENCE_SECONDS = 200
LONGEST_PAUSE_SECONDS = 0.1  # who asks without a pause takes the cores from those he waits for
SECOND_SPAN = "before-span-commit"
"""Where workers are held in mid training: one span is stored, and what they have done since is not."""
Answer = TypeVar("Answer")


def until(
    found: Callable[[], Answer | None], what: str, longest_pause_seconds: float = LONGEST_PAUSE_SECONDS
) -> Answer:
    """Ask again until the answer is true; the limit only keeps a failure from hanging."""
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, 0.005
    while time.monotonic() < deadline:
        answer = found()
        if answer:
            return answer
        time.sleep(pause)
        pause = min(1.5 * pause, longest_pause_seconds)
    raise TimeoutError(f"waited {PATIENCE_SECONDS} seconds for {what}")


def answered(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Ask as a client does who wants an answer: again where there is none, or 503."""

    def ask_once() -> httpx.Response | None:
        try:
            answer = ask()
        except httpx.TransportError:
            return None
        return None if answer.status_code == 503 else answer

    return until(ask_once, "an answer")


def start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    log: IO[bytes],
    new_session: bool = False,
    on: Sequence[str] = (),
) -> psutil.Process:
    """Start a command of ours, after the words of `on` if any, and in a session of its own if asked for."""
    with open(os.devnull, "rb") as nothing:
        files = nothing, log, log
        if not on:
            return zygote.start(arguments, environment, files, new_session)
        command = [*on, sys.executable, "-m", "service", *arguments]
        return zygote.start_anew(command, environment, files, new_session)


def completed(
    arguments: Sequence[str | Path],
    environment: Mapping[str, str],
    typed: str = "",
    folder: Path | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run a command of ours to its end, with what is typed; return its exit code and what it wrote."""
    words = list(map(str, arguments))
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as error:
        given.write(typed.encode())
        given.seek(0)
        process = zygote.start(words, environment, (given, out, error), folder=folder)
        code = int(process.wait(PATIENCE_SECONDS))
        out.seek(0)
        error.seek(0)
        return subprocess.CompletedProcess(words, code, out.read().decode(), error.read().decode())


class Service:
    """Start, watch, kill and start again one service on one data folder."""

    def __init__(self, folder: Path, cache: Path, **settings: str) -> None:
        self.folder = folder
        (folder / "datasets").mkdir()
        shutil.copy(cache / "mnist.safetensors", folder / "datasets")
        self.port = free_port()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE_SECONDS)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("NORMSERVE_")},
            "NORMSERVE_DATA_DIR": str(folder),
            "NORMSERVE_PORT": str(self.port),
            "NORMSERVE_WORKERS": "2",
            "NORMSERVE_FAILPOINTS": f"{SECOND_SPAN}=hold@2",
            **settings,
        }
        self.database_url = self.environment.get("NORMSERVE_DATABASE_URL", f"sqlite:///{folder}/normserve.db")
        self.log = folder / "log"
        self.log_begins = 0
        """How much of the log earlier tests have written."""
        self.gate = folder / "failpoints" / f"{SECOND_SPAN}.hold"
        self.process: psutil.Process
        """The supervisor, once it is started."""
        self.seen: list[psutil.Process] = []

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = start(["up"], self.environment, log)
        self.wait_for_all()

    def wait_for_all(self, workers: int = 0) -> None:
        """Wait until the api is ready, and the dispatcher and as many workers as there should be.

        Nothing is left running when they do not come.
        """
        workers = workers or int(self.environment["NORMSERVE_WORKERS"])
        try:
            until(self.ready, "the api to be ready")
            until(lambda: len(self.workers()) == workers, f"{workers} workers")
            until(lambda: b"dispatcher ready" in self.said(), "the dispatcher")
        except TimeoutError:
            self.close()
            raise

    def said(self) -> bytes:
        """Return what was logged since the test began."""
        return self.log.read_bytes()[self.log_begins :]

    def recover(self) -> None:
        """Bring a service that tests share to where the next one may begin, whatever the last has left."""
        self.release()
        if not lives(self.process):
            self.start()
        until(self.ready, "the api to be ready")
        for job in self.client.get("/jobs?status=queued&status=running&limit=200").json()["items"]:
            self.client.post(f"/jobs/{job['id']}/cancel")
        self.log_begins = self.log.stat().st_size

    def ready(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def processes(self) -> list[psutil.Process]:
        """Every process of the service that lives; remembers those it has seen."""
        try:
            now = [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            now = []
        self.seen = list({*self.seen, *now})
        return now

    def pids(self) -> set[int]:
        return {process.pid for process in self.processes()}

    def workers(self) -> list[psutil.Process]:
        return [process for process in self.processes() if "dask worker" in _title(process)]

    def child(self, command: str) -> psutil.Process | None:
        found = [process for process in self.processes() if f"service {command}" in _title(process)]
        return found[0] if found else None

    def kill_worker(self, chance: random.Random) -> None:
        """Kill one worker process, whichever; returns when it has ended."""
        kill(chance.choice(until(self.workers, "a worker")))

    def kill_dispatcher(self) -> None:
        """Kill the dispatcher, which is then started again; its workers end with it."""
        kill(until(lambda: self.child("dispatch"), "a dispatcher"))

    def kill(self) -> None:
        """Kill the supervisor alone, with no time for anything."""
        self.processes()
        self.process.kill()
        self.process.wait()

    def ask_to_end(self) -> None:
        self.processes()
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        """Wait for the end of the supervisor; return its exit code."""
        return int(self.process.wait(PATIENCE_SECONDS))

    def gone(self) -> bool:
        """Whether every process that was ever seen has ended."""
        return not [process for process in self.seen if lives(process)]

    def close(self) -> None:
        self.client.close()
        self.stop()

    def stop(self) -> None:
        """Kill every process of the service."""
        self.processes()
        for process in self.seen:
            if process.is_running():
                process.kill()
        psutil.wait_procs(self.seen, PATIENCE_SECONDS)
        self.process.wait()

    def submit(self, **spec: Any) -> str:
        answer = self.client.post("/jobs", json=spec)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.client.get(f"/jobs/{job_id}").json()
        return job

    def cancel(self, job_id: str) -> None:
        answer = self.client.post(f"/jobs/{job_id}/cancel")
        assert answer.status_code == 200, answer.text

    def finished(self, job_id: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            job: dict[str, Any] = self.client.get(f"/jobs/{job_id}?wait=30").json()
            return job if job["finished_at"] else None

        return until(ended, "the job to end")

    def moving(self, job_id: str, beyond: int = 0) -> dict[str, Any]:
        """The job as soon as it is in training and has stored more than `beyond` steps."""

        def moved() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["status"] == "running" and job["progress"]["step"] > beyond else None

        return until(moved, "the job to move")

    def held(self, *specs: dict[str, Any]) -> list[str]:
        """Submit jobs, each for a worker of its own, and hold them in mid training; return their ids.

        What takes them over when their workers die is held there too, until `release`.
        """
        self.hold()
        job_ids = [self.submit(**spec) for spec in specs]
        until(lambda: len(self.holding()) == len(specs), "the jobs to be in mid training")
        return job_ids

    def hold(self) -> None:
        """Hold everybody at their second span from now on; who is held already may go on to there."""
        self.gate.touch()

    def holding(self) -> list[psutil.Process]:
        """Return the workers that are held."""
        pids = {file.suffix[1:] for file in self.gate.parent.glob(f"{SECOND_SPAN}.*")}
        return [worker for worker in self.workers() if str(worker.pid) in pids]

    def release(self) -> None:
        """Let everybody go on who is held."""
        self.gate.unlink(missing_ok=True)

    def rows(self, job_id: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.client.get(f"/jobs/{job_id}/metrics").json()["items"]
        return rows


def stalling_after(seconds: float) -> dict[str, str]:
    """The settings of a service that takes a worker to hang so soon: its spans must be as short."""
    return {"NORMSERVE_STALL_SECONDS": str(seconds), "NORMSERVE_LONGEST_SPAN_SECONDS": "1"}


def kill(process: psutil.Process) -> None:
    """Kill a process and wait for its end; one that has ended meanwhile is as good."""
    with suppress(psutil.NoSuchProcess):
        process.kill()
    until(lambda: not lives(process), "the process to end")


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def free_port() -> int:
    """A port that nobody listens on, and that the system gives to nobody who asks for any."""
    while True:
        port = secrets.choice(range(20_000, 32_000))
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
